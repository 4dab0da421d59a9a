using System.Collections.Concurrent;

namespace Kuik.NodeProxy;

/// <summary>
/// A cache of the most recently used entries, bounded in bytes. Two generations: when the young one reaches half of the limit it becomes
/// the old one, and what was in the old one and has not been asked for since is gone. Reading takes no lock.
/// </summary>
/// <param name="limit">In bytes, for both generations together.</param>
internal sealed class SizeBoundedCache<TKey, TValue>(long limit) where TKey : notnull where TValue : class
{
    private Generations _now = new(new Generation(), new Generation());

    /// <summary>The size of all entries, in bytes.</summary>
    public long SizeInBytes
    {
        get
        {
            var now = Volatile.Read(ref _now);
            return Interlocked.Read(ref now.Young.SizeInBytes) + Interlocked.Read(ref now.Old.SizeInBytes);
        }
    }

    /// <returns>Null when it is not kept.</returns>
    public TValue? Find(TKey key)
    {
        var now = Volatile.Read(ref _now);
        if (now.Young.Entries.TryGetValue(key, out var entry))
            return entry.Value;
        if (!now.Old.Entries.TryGetValue(key, out entry))
            return null;
        if (now.Young.Entries.TryAdd(key, entry))   // used again: it lives on
            Count(now, entry.SizeInBytes);
        return entry.Value;
    }

    /// <param name="key">An entry that has it is replaced.</param>
    /// <param name="value">Not kept when it takes more than half of the limit.</param>
    /// <param name="size">Of key and value, in bytes.</param>
    public void Keep(TKey key, TValue value, long size)
    {
        if (size > limit / 2)
        {
            Forget(key);
            return;
        }
        var now = Volatile.Read(ref _now);
        var entry = new Entry(value, size);
        while (!now.Young.Entries.TryAdd(key, entry))
        {
            if (!now.Young.Entries.TryGetValue(key, out var before) || !now.Young.Entries.TryUpdate(key, entry, before))
                continue;
            size -= before.SizeInBytes;
            break;
        }
        Count(now, size);
    }

    public void Forget(TKey key)
    {
        var now = Volatile.Read(ref _now);
        now.Old.Entries.TryRemove(key, out _);   // its bytes are counted until the generation goes: once is enough
        if (now.Young.Entries.TryRemove(key, out var entry))
            Count(now, -entry.SizeInBytes);
    }

    private void Count(Generations now, long size)
    {
        if (Interlocked.Add(ref now.Young.SizeInBytes, size) > limit / 2)
            Interlocked.CompareExchange(ref _now, new Generations(new Generation(), now.Young), now);   // of many that notice, one turns
    }

    private sealed record Entry(TValue Value, long SizeInBytes);

    private sealed record Generations(Generation Young, Generation Old);

    private sealed class Generation
    {
        public readonly ConcurrentDictionary<TKey, Entry> Entries = new();
        public long SizeInBytes;
    }
}
