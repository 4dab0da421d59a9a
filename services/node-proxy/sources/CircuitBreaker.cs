using System.Collections.Concurrent;

namespace Kuik.NodeProxy;

/// <summary>
/// Circuit breakers by key. A server that exceeded a time limit is skipped for a pause, so that a dead one costs its limit once and not for
/// each request. After the pause one request tries it again while the others still skip it.
/// </summary>
/// <remarks>A refused connection costs nothing and opens nothing: a server that restarts is asked again at once.</remarks>
internal sealed class CircuitBreaker(TimeSpan pause, TimeProvider time)
{
    // Only open ones are kept. The keys may come from requests, so their number is bounded too.
    private const int Most = 1000;
    private readonly ConcurrentDictionary<string, DateTimeOffset> _openUntil = new(StringComparer.Ordinal);

    // Ticks of UTC: a value of this size is replaced in place.
    private readonly ConcurrentDictionary<string, long> _answeredAt = new(StringComparer.Ordinal);

    /// <summary>The keys of the open breakers.</summary>
    public IReadOnlyList<string> Open => [.. _openUntil.Keys.Order(StringComparer.Ordinal)];

    /// <summary>True when the server may be asked. After a pause, true for one caller; the next pause begins with it.</summary>
    public bool MayAsk(string key)
    {
        while (_openUntil.TryGetValue(key, out var until))
        {
            var now = time.GetUtcNow();
            if (now < until)
                return false;
            if (_openUntil.TryUpdate(key, now + pause, until))
                return true;
        }
        return true;   // also when it was closed just now
    }

    /// <summary>Notes that a request exceeded a limit. True when the breaker was not open before.</summary>
    /// <param name="key">The key of the breaker.</param>
    /// <param name="askedAt">When that request was sent. A server that has answered another one since is not dead: only this request was
    /// slow. Null: it opens in any case.</param>
    public bool Trip(string key, DateTimeOffset? askedAt = null)
    {
        if (askedAt is { } asked && _answeredAt.TryGetValue(key, out var answered) && answered >= asked.UtcTicks)
            return false;
        var now = time.GetUtcNow();
        if (_openUntil.Count >= Most)
            foreach (var (other, until) in _openUntil)
                if (until <= now)
                    _openUntil.TryRemove(other, out _);
        if (_openUntil.TryAdd(key, now + pause))
            return true;
        _openUntil[key] = now + pause;
        return false;
    }

    /// <summary>Notes an answer. True when the breaker was open before.</summary>
    public bool Close(string key)
    {
        if (!_answeredAt.ContainsKey(key) && _answeredAt.Count >= Most)
            _answeredAt.Clear();   // a slow request may then count as a dead server
        _answeredAt[key] = time.GetUtcNow().UtcTicks;
        return !_openUntil.IsEmpty && _openUntil.TryRemove(key, out _);
    }
}
