using System.Collections.Concurrent;

namespace Kuik.PodWatcher;

/// <summary>One instance of each value, so that what a hundred thousand pods have in common is in memory once. Forgets everything when it
/// has grown large. Thread safe.</summary>
/// <param name="comparer">Which values are equal; default their own equality.</param>
internal sealed class Pool<T>(IEqualityComparer<T>? comparer = null)
    where T : notnull
{
    private const int Most = 200_000;

    private readonly ConcurrentDictionary<T, T> _values = new(comparer);
    private int _count;

    /// <summary>The instance that equals this value.</summary>
    public T Get(T value)
    {
        if (_values.TryGetValue(value, out var known))
            return known;
        if (Interlocked.Increment(ref _count) > Most)
        {
            _values.Clear();   // those that are in use stay where they are; later ones are others
            Volatile.Write(ref _count, 0);
        }
        return _values.GetOrAdd(value, value);
    }
}

/// <summary>Lists are equal when their values are, in order.</summary>
internal sealed class ListComparer<T> : IEqualityComparer<IReadOnlyList<T>>
{
    public bool Equals(IReadOnlyList<T>? x, IReadOnlyList<T>? y) => ReferenceEquals(x, y) || (x is not null && y is not null && x.SequenceEqual(y));

    public int GetHashCode(IReadOnlyList<T> obj)
    {
        var hash = new HashCode();
        foreach (var value in obj)
            hash.Add(value);
        return hash.ToHashCode();
    }
}
