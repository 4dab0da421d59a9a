using System.Collections.Concurrent;

namespace Kuik.NodeProxy;

/// <summary>
/// Passes over an upstream that ran into a time limit, so that a dead one costs its limit once and not each request.
/// After the pause one request tries it again while the others go on passing it over.
/// </summary>
/// <remarks>A refused connection costs nothing and opens nothing: an upstream that restarts is asked again at once.</remarks>
internal sealed class CircuitBreaker(TimeSpan pause, TimeProvider time)
{
    // Only open ones are kept. The keys may come from requests, so their number is bounded too.
    private const int Most = 1000;
    private readonly ConcurrentDictionary<string, DateTimeOffset> _openUntil = new(StringComparer.Ordinal);

    // Ticks of UTC: a value of this size is replaced in place.
    private readonly ConcurrentDictionary<string, long> _answeredAt = new(StringComparer.Ordinal);

    /// <summary>The upstreams that are passed over now.</summary>
    public IReadOnlyList<string> Open => [.. _openUntil.Keys.Order(StringComparer.Ordinal)];

    /// <summary>May this upstream be asked? After a pause, true for one caller; the next pause begins with it.</summary>
    public bool MayAsk(string upstream)
    {
        while (_openUntil.TryGetValue(upstream, out var until))
        {
            var now = time.GetUtcNow();
            if (now < until)
                return false;
            if (_openUntil.TryUpdate(upstream, now + pause, until))
                return true;
        }
        return true;   // also when it was closed just now
    }

    /// <summary>Notes that a request exceeded a limit. True when the breaker was not open before.</summary>
    /// <param name="upstream">The key of the breaker.</param>
    /// <param name="askedAt">When that request was sent. A server that has answered another one since is not dead: only this request was
    /// slow. Null: it opens in any case.</param>
    public bool Trip(string upstream, DateTimeOffset? askedAt = null)
    {
        if (askedAt is { } asked && _answeredAt.TryGetValue(upstream, out var answered) && answered >= asked.UtcTicks)
            return false;
        var now = time.GetUtcNow();
        if (_openUntil.Count >= Most)
            foreach (var (other, until) in _openUntil)
                if (until <= now)
                    _openUntil.TryRemove(other, out _);
        if (_openUntil.TryAdd(upstream, now + pause))
            return true;
        _openUntil[upstream] = now + pause;
        return false;
    }

    /// <summary>It answered. True when it was open before.</summary>
    public bool Close(string upstream)
    {
        if (!_answeredAt.ContainsKey(upstream) && _answeredAt.Count >= Most)
            _answeredAt.Clear();   // only that a slow request is then taken for a dead upstream
        _answeredAt[upstream] = time.GetUtcNow().UtcTicks;
        return !_openUntil.IsEmpty && _openUntil.TryRemove(upstream, out _);
    }
}
