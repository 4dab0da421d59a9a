using System.Collections.Concurrent;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A bounded memory of things that save a question and are safe to forget: when full, half of it goes.</summary>
/// <param name="most">How many entries are kept.</param>
internal sealed class Remembered<TKey, TValue>(int most) where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, TValue> _entries = new();

    public bool TryGet(TKey key, [System.Diagnostics.CodeAnalysis.MaybeNullWhen(false)] out TValue value) => _entries.TryGetValue(key, out value);

    public void Forget(TKey key) => _entries.TryRemove(key, out _);

    public void Set(TKey key, TValue value)
    {
        if (_entries.Count >= most)
            foreach (var old in _entries.Keys.Take(most / 2))
                _entries.TryRemove(old, out _);
        _entries[key] = value;
    }
}
