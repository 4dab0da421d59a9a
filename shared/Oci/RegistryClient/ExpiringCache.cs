using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Kuik.Oci;

/// <summary>
/// A bounded cache of values that save a request and are safe to lose: when it is full, what has expired is removed, else half of the
/// entries.
/// </summary>
/// <param name="capacity">Most entries; at least 2.</param>
/// <param name="lifetime">How long an entry is used.</param>
/// <param name="time">The clock.</param>
internal sealed class ExpiringCache<TKey, TValue>(int capacity, TimeSpan lifetime, TimeProvider time) where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, (TValue Value, DateTimeOffset ExpiresAt)> _entries = new();

    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        var isThere = _entries.TryGetValue(key, out var entry) && entry.ExpiresAt > time.GetUtcNow();
        value = isThere ? entry.Value : default;
        return isThere;
    }

    public void Set(TKey key, TValue value) => Set(key, value, lifetime);

    /// <param name="key">Of the entry, which is replaced.</param>
    /// <param name="value">Its value.</param>
    /// <param name="shorter">How long it is used.</param>
    public void Set(TKey key, TValue value, TimeSpan shorter)
    {
        var now = time.GetUtcNow();
        if (!_entries.ContainsKey(key) && _entries.Count >= capacity)   // counting takes all of its locks
            MakeRoom(now);
        _entries[key] = (value, now + shorter);
    }

    /// <summary>The value of an entry, made where there is none; two callers at once may both make one, and both get the same.</summary>
    public TValue GetOrAdd(TKey key, Func<TKey, TValue> make)
    {
        if (TryGet(key, out var known))
            return known;
        var now = time.GetUtcNow();
        if (_entries.Count >= capacity)
            MakeRoom(now);
        var made = (Value: make(key), ExpiresAt: now + lifetime);
        return _entries.AddOrUpdate(key, made, (_, before) => before.ExpiresAt > now ? before : made).Value;
    }

    public void Remove(TKey key) => _entries.TryRemove(key, out _);

    private void MakeRoom(DateTimeOffset now)
    {
        foreach (var entry in _entries)
            if (entry.Value.ExpiresAt <= now)
                _entries.TryRemove(entry);
        if (_entries.Count < capacity)
            return;
        foreach (var key in _entries.Keys.Take(capacity / 2))
            _entries.TryRemove(key, out _);
    }
}
