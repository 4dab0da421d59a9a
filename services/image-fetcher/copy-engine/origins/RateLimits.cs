using System.Diagnostics.Metrics;
using System.Net;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Pauses requests to an origin that has answered 429, for as long as it asked, pulls and copies alike. Kept for each host and credential:
/// Docker Hub counts by user, and anonymous requests by address, so that one team's pulls must not stop another's. Registries that count by
/// repository are asked less often than they allow, never more.
/// </summary>
internal sealed class RateLimits
{
    /// <summary>
    /// The longest accepted wait; a longer one is an error (a date, for example): Docker Hub's longest window is six hours.
    /// </summary>
    public static readonly TimeSpan LongestAsked = TimeSpan.FromHours(24);

    /// <summary>The pause after the first 429 without a wait. Each further one doubles it.</summary>
    public static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(30);

    public static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DefaultWindow = TimeSpan.FromHours(1);

    /// <summary>The limit of hosts and credentials in the metrics; later ones are not shown.</summary>
    private const int MostShown = 100;

    private readonly Lock _gate = new();
    private readonly BoundedCache<Key, Pause> _pauses = new(most: 4096);
    private readonly Dictionary<Key, (RateLimit Limit, DateTimeOffset GoodUntil)> _shown = [];
    private readonly TimeProvider _time;

    public RateLimits(TimeProvider time, IMeterFactory meters)
    {
        _time = time;
        var meter = meters.Create("Kuik.ImageFetcher");
        meter.CreateObservableGauge("kuik_origin_ratelimit_remaining", () => Measure(limit => limit.Remaining),
            description: "What an origin's last answer said is left of its rate limit");
        meter.CreateObservableGauge("kuik_origin_ratelimit_limit", () => Measure(limit => limit.Limit),
            description: "An origin's rate limit, as its last answer said");
    }

    /// <summary>Throws while the host is paused.</summary>
    /// <exception cref="CopyException">It is paused: rate-limited, with the remaining time.</exception>
    public void Pass(string host, RegistryCredential? credential)
    {
        if (PauseOf(host, credential) is { } pause)
            throw pause;
    }

    /// <summary>The failure of a request made now, rate-limited with the remaining time; null when it may be made.</summary>
    public CopyException? PauseOf(string host, RegistryCredential? credential)
    {
        lock (_gate)
            return _pauses.TryGet(new Key(host, credential), out var pause) && pause.Until > _time.GetUtcNow()
                ? Limited(host, pause) : null;
    }

    /// <summary>Records a 429.</summary>
    /// <returns>The exception to throw: the origin's answer and the length of the pause.</returns>
    public CopyException Saw429(string host, RegistryCredential? credential, RegistryException error)
    {
        var (key, now) = (new Key(host, credential), _time.GetUtcNow());
        lock (_gate)
        {
            // Concurrent requests count as one refusal: only one that comes after the pause doubles it.
            var before = _pauses.TryGet(key, out var known) ? known : new Pause(now, TimeSpan.Zero, "");
            var length = before.Until > now
                ? before.Length
                : before.Length == TimeSpan.Zero
                ? FirstPause
                : Shorter(before.Length * 2, LongestPause);
            var asked = error.RetryAfter is { } wait && wait <= LongestAsked ? now + Longer(wait, ShortestPause) : now + length;
            var why = _shown.TryGetValue(key, out var shown) && shown.GoodUntil > now ? $"{error.Message}; {shown.Limit}" : error.Message;
            var pause = new Pause(before.Until > asked ? before.Until : asked, length, why);
            _pauses.Set(key, pause);
            return Limited(host, pause, error);
        }
    }

    /// <summary>
    /// Records the rate limit of a response. A GET that succeeded after a pause ends the doubling; a HEAD may be free and proves nothing.
    /// </summary>
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
                _shown.Remove(key);   // its last values were not those of the limit that was hit
        }
    }

    private void Show(Key key, RateLimit limit, DateTimeOffset now)
    {
        if (_shown.Count >= MostShown)
            foreach (var old in _shown.Where(shown => shown.Value.GoodUntil <= now).Select(shown => shown.Key).ToList())
                _shown.Remove(old);
        if (_shown.Count < MostShown || _shown.ContainsKey(key))
            _shown[key] = (limit, now + (limit.Window ?? DefaultWindow));   // the remainder of a window that has passed is meaningless
    }

    private CopyException Limited(string host, Pause pause, RegistryException? error = null)
    {
        var remaining = pause.Until - _time.GetUtcNow();
        return new CopyException(
            CopyException.RateLimited, $"rate limited by {host}; next attempt in {Math.Ceiling(remaining.TotalSeconds):0} s: {pause.Why}",
            retryHelps: true, remaining, HttpStatusCode.TooManyRequests, error);
    }

    /// <summary>The measurements for each host, of the credential with the least left: a credential is not a label.</summary>
    private List<Measurement<long>> Measure(Func<RateLimit, long> what)
    {
        lock (_gate)
            return [.. _shown.Where(shown => shown.Value.GoodUntil > _time.GetUtcNow())
                .GroupBy(shown => shown.Key.Host, shown => shown.Value.Limit)
                .Select(host => new Measurement<long>(what(host.MinBy(limit => limit.Remaining)!),
                    new KeyValuePair<string, object?>("host", host.Key)))];
    }

    private static TimeSpan Longer(TimeSpan one, TimeSpan other) => one > other ? one : other;

    private static TimeSpan Shorter(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private sealed record Key(string Host, RegistryCredential? Credential);

    /// <param name="Until">UTC: the end of the pause.</param>
    /// <param name="Length">The length of a pause that the origin did not choose; the next one is twice as long.</param>
    /// <param name="Why">The refusal.</param>
    private sealed record Pause(DateTimeOffset Until, TimeSpan Length, string Why);
}
