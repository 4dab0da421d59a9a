using System.Collections.Concurrent;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A cache with a bounded number of entries; when it is full, half of them are removed.</summary>
/// <param name="most">The number of entries, give or take an eighth.</param>
internal sealed class BoundedCache<TKey, TValue>(int most) where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, TValue> _entries = new();
    private uint _additions;

    public bool TryGet(TKey key, [System.Diagnostics.CodeAnalysis.MaybeNullWhen(false)] out TValue value) =>
        _entries.TryGetValue(key, out value);

    public void Forget(TKey key) => _entries.TryRemove(key, out _);

    public void Set(TKey key, TValue value)
    {
        // Counting takes all locks of the dictionary.
        if (Interlocked.Increment(ref _additions) % (uint)Math.Max(1, most / 8) == 0 && _entries.Count >= most)
            foreach (var old in _entries.Keys.Take(most / 2))
                _entries.TryRemove(old, out _);
        _entries[key] = value;
    }
}
