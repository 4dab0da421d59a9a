using System.Collections.Concurrent;

namespace Kuik.PodWatcher;

/// <summary>
/// Deduplicates values, so that values common to a hundred thousand pods are in memory once. Cleared when it has grown large. Thread-safe.
/// </summary>
/// <param name="comparer">Equality of values; default their own.</param>
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
            _values.Clear();   // values in use stay in memory; equal ones added later are other instances
            Volatile.Write(ref _count, 0);
        }
        return _values.GetOrAdd(value, value);
    }
}
