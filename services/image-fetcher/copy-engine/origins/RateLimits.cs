using System.Diagnostics.Metrics;
using System.Net;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Leaves an origin alone that has answered 429, for as long as it asked, pulls and copies alike. Kept for each host and credential: Docker Hub counts by user,
/// and by address for those without one, so that one team's pulls must not stop another's. Others that count by repository are asked too seldom then, never too often.
/// </summary>
internal sealed class RateLimits
{
    /// <summary>What is asked for beyond it is a slip (a date, say): Docker Hub's longest window is six hours.</summary>
    public static readonly TimeSpan LongestAsked = TimeSpan.FromHours(24);

    /// <summary>The pause after the first 429 that does not say how long. Each further one doubles it.</summary>
    public static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(30);

    public static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DefaultWindow = TimeSpan.FromHours(1);

    /// <summary>How many hosts and credentials the metrics are made from; those that come after them are not shown.</summary>
    private const int MostShown = 100;

    private readonly Lock _gate = new();
    private readonly BoundedCache<Key, Pause> _pauses = new(most: 4096);
    private readonly Dictionary<Key, (RateLimit Limit, DateTimeOffset GoodUntil)> _shown = [];
    private readonly TimeProvider _time;

    public RateLimits(TimeProvider time, IMeterFactory meters)
    {
        _time = time;
        var meter = meters.Create("Kuik.ImageFetcher");
        meter.CreateObservableGauge("kuik_origin_ratelimit_remaining", () => Measure(limit => limit.Remaining), description: "What an origin's last answer said is left of its rate limit");
        meter.CreateObservableGauge("kuik_origin_ratelimit_limit", () => Measure(limit => limit.Limit), description: "An origin's rate limit, as its last answer said");
    }

    /// <summary>Goes on, unless the host is to be left alone.</summary>
    /// <exception cref="CopyException">It is: rate-limited, with the time that remains.</exception>
    public void Pass(string host, RegistryCredential? credential)
    {
        if (PauseOf(host, credential) is { } pause)
            throw pause;
    }

    /// <summary>The failure of a request that would come now, rate-limited with the time that remains; null when it may be made.</summary>
    public CopyException? PauseOf(string host, RegistryCredential? credential)
    {
        lock (_gate)
            return _pauses.TryGet(new Key(host, credential), out var pause) && pause.Until > _time.GetUtcNow()
                ? Limited(host, pause) : null;
    }

    /// <summary>Takes note of a 429.</summary>
    /// <returns>What to throw: what the origin said, and how long it is left alone.</returns>
    public CopyException Saw429(string host, RegistryCredential? credential, RegistryException error)
    {
        var (key, now) = (new Key(host, credential), _time.GetUtcNow());
        lock (_gate)
        {
            // Those that were under way together are one refusal: only one that comes after the pause doubles it.
            var before = _pauses.TryGet(key, out var known) ? known : new Pause(now, TimeSpan.Zero, "");
            var length = before.Until > now ? before.Length : before.Length == TimeSpan.Zero ? FirstPause : Shorter(before.Length * 2, LongestPause);
            var asked = error.RetryAfter is { } wait && wait <= LongestAsked ? now + Longer(wait, ShortestPause) : now + length;
            var why = _shown.TryGetValue(key, out var shown) && shown.GoodUntil > now ? $"{error.Message}; {shown.Limit}" : error.Message;
            var pause = new Pause(before.Until > asked ? before.Until : asked, length, why);
            _pauses.Set(key, pause);
            return Limited(host, pause, error);
        }
    }

    /// <summary>Reads what an answer says about its host's limits. A GET that succeeded after a pause ends the doubling; a HEAD may be free and says nothing.</summary>
    public void Saw(RegistryCall call, HttpResponseMessage answer)
    {
        var (key, now) = (new Key(call.Repository.Host, call.Credential), _time.GetUtcNow());
        lock (_gate)
        {
            if (answer.IsSuccessStatusCode && call.Method == HttpMethod.Get && _pauses.TryGet(key, out var pause) && pause.Until <= now)
                _pauses.Forget(key);
            if (RateLimit.From(answer.Headers) is { } limit)
                Show(key, limit, now);
            else if (answer.StatusCode == HttpStatusCode.TooManyRequests)
                _shown.Remove(key);   // what it said before is not the limit that was hit
        }
    }

    private void Show(Key key, RateLimit limit, DateTimeOffset now)
    {
        if (_shown.Count >= MostShown)
            foreach (var old in _shown.Where(shown => shown.Value.GoodUntil <= now).Select(shown => shown.Key).ToList())
                _shown.Remove(old);
        if (_shown.Count < MostShown || _shown.ContainsKey(key))
            _shown[key] = (limit, now + (limit.Window ?? DefaultWindow));   // what was left in a window that has passed says nothing any more
    }

    private CopyException Limited(string host, Pause pause, RegistryException? error = null)
    {
        var remaining = pause.Until - _time.GetUtcNow();
        return new CopyException(
            CopyException.RateLimited, $"rate limited by {host}; next attempt in {Math.Ceiling(remaining.TotalSeconds):0} s: {pause.Why}",
            retryHelps: true, remaining, HttpStatusCode.TooManyRequests, error);
    }

    /// <summary>For each host, of the credential that has the least left: a credential is no label.</summary>
    private List<Measurement<long>> Measure(Func<RateLimit, long> what)
    {
        lock (_gate)
            return [.. _shown.Where(shown => shown.Value.GoodUntil > _time.GetUtcNow())
                .GroupBy(shown => shown.Key.Host, shown => shown.Value.Limit)
                .Select(host => new Measurement<long>(what(host.MinBy(limit => limit.Remaining)!), new KeyValuePair<string, object?>("host", host.Key)))];
    }

    private static TimeSpan Longer(TimeSpan one, TimeSpan other) => one > other ? one : other;

    private static TimeSpan Shorter(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private sealed record Key(string Host, RegistryCredential? Credential);

    /// <param name="Until">UTC: not before then.</param>
    /// <param name="Length">Of a pause that the origin did not choose: what the next one is twice as long as.</param>
    /// <param name="Why">The refusal.</param>
    private sealed record Pause(DateTimeOffset Until, TimeSpan Length, string Why);
}
