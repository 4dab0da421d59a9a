namespace Kuik.PodWatcher;

/// <summary>Lists are equal when their values are, in order.</summary>
internal sealed class ListComparer<T> : IEqualityComparer<IReadOnlyList<T>>
{
    public bool Equals(IReadOnlyList<T>? x, IReadOnlyList<T>? y) =>
        ReferenceEquals(x, y) || (x is not null && y is not null && x.SequenceEqual(y));

    public int GetHashCode(IReadOnlyList<T> obj)
    {
        var hash = new HashCode();
        foreach (var value in obj)
            hash.Add(value);
        return hash.ToHashCode();
    }
}
