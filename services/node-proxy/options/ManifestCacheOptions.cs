using Kuik.Hosting;

namespace Kuik.NodeProxy;

/// <summary>The limits of the manifest cache. The age of an answer is counted from the moment at which its source was asked.</summary>
internal sealed record ManifestCacheOptions
{
    /// <summary>
    /// <c>Kuik:Proxy:MemoryLimit</c>: for manifests, in bytes, or with a unit (k, M, G; Ki, Mi, Gi); at most 1 GiB, and 1 remembers none.
    /// Default 16 MiB. Misses have a sixteenth of it besides.
    /// </summary>
    public long LimitInBytes { get; init; } = 16 << 20;

    /// <summary>
    /// <c>Kuik:Proxy:MemoryTime</c>: how long a manifest, by digest or by tag, is served without asking a source; so long may an image that
    /// was evicted, or a tag that was moved, go on being served as it was. Default 5 seconds; more than 0, at most 1 minute.
    /// </summary>
    public TimeSpan ManifestTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary><c>Kuik:Proxy:MissTime</c>: the same of a refusal (401, 403, 404, and 429 within its Retry-After). Default 1 second; more
    /// than 0, at most 10 seconds.</summary>
    public TimeSpan MissTime { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// <c>Kuik:Proxy:StaleTime</c>: how long after its last confirmation a manifest is served while its source does not answer.
    /// Default 1 hour; 0 (never) to 1 day.
    /// </summary>
    public TimeSpan StaleTime { get; init; } = TimeSpan.FromHours(1);

    /// <summary><c>Kuik:Proxy:StaleWait</c>: how long that answer is waited for where an older one could be given. Default 0.5 seconds;
    /// more than 0, at most 1 minute.</summary>
    public TimeSpan StaleWait { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <exception cref="InvalidSettingException">A setting cannot be used.</exception>
    public static ManifestCacheOptions From(IConfiguration configuration)
    {
        var usual = new ManifestCacheOptions();
        return new ManifestCacheOptions
        {
            LimitInBytes = configuration.ReadSize("Kuik:Proxy:MemoryLimit", usual.LimitInBytes, 1 << 30),
            ManifestTime = Time("Kuik:Proxy:MemoryTime", usual.ManifestTime, TimeSpan.FromMinutes(1)),
            MissTime = Time("Kuik:Proxy:MissTime", usual.MissTime, TimeSpan.FromSeconds(10)),
            StaleTime = configuration.Read("Kuik:Proxy:StaleTime", usual.StaleTime, "a time such as 01:00:00, from 0 to 1.00:00:00",
                t => t >= TimeSpan.Zero && t <= TimeSpan.FromDays(1)),
            StaleWait = Time("Kuik:Proxy:StaleWait", usual.StaleWait, TimeSpan.FromMinutes(1)),
        };

        TimeSpan Time(string key, TimeSpan fallback, TimeSpan most) =>
            configuration.Read(key, fallback, $"a time such as 00:00:01, at most {most}", t => t > TimeSpan.Zero && t <= most);
    }
}
