namespace Kuik.PodWatcher;

/// <summary>
/// Deduplicates values, so that values common to a hundred thousand pods are in memory once. Cleared when it has grown large. Thread-safe.
/// </summary>
/// <param name="comparer">Equality of values; default their own.</param>
internal sealed class Pool<T>(IEqualityComparer<T>? comparer = null)
    where T : notnull
{
    private const int Most = 200_000;

    private readonly Lock _gate = new();
    private readonly HashSet<T> _values = new(comparer);

    /// <summary>The instance that equals this value.</summary>
    public T Get(T value)
    {
        lock (_gate)
        {
            if (_values.TryGetValue(value, out var known))
                return known;
            if (_values.Count >= Most)
                _values.Clear();   // values in use stay in memory; equal ones added later are other instances
            _values.Add(value);
            return value;
        }
    }
}
