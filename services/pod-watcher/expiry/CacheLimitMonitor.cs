using Npgsql;

namespace Kuik.PodWatcher;

/// <summary>Compares the cache with <c>Kuik:CacheLimit</c> from time to time, and says in the log and in metrics when it cannot be
/// met.</summary>
internal sealed partial class CacheLimitMonitor(
    WatcherOptions options, NpgsqlDataSource postgres, WatcherMetrics metrics, TimeProvider time, ILogger<CacheLimitMonitor> logger)
{
    /// <summary>Time between two comparisons: each reads a row for every cached image.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private long? _comparedAt;
    private bool _isUnmet;

    /// <summary>The images that have to leave; empty without a limit, and between two comparisons.</summary>
    /// <exception cref="NpgsqlException">Postgres fails.</exception>
    public async Task<IReadOnlyList<string>> FindLeaving(CancellationToken ct)
    {
        if (options.CacheLimitInBytes is not { } limit || (_comparedAt is { } last && time.GetElapsedTime(last) < Interval))
            return [];
        var result = CacheLimit.Choose(await CacheLimit.Read(postgres, ct), limit);
        _comparedAt = time.GetTimestamp();
        metrics.ShowCache(result);
        if (result.ExcessInBytes > 0 && !_isUnmet)
            LogUnmet(ByteSize.Format(result.SizeInBytes), ByteSize.Format(result.ExcessInBytes), ByteSize.Format(limit));
        else if (result.ExcessInBytes == 0 && _isUnmet)
            LogMet(ByteSize.Format(limit));
        _isUnmet = result.ExcessInBytes > 0;
        return result.Leaving;
    }

    /// <summary>This replica does not decide now: another one measures.</summary>
    public void Suspend() => metrics.ShowCache(null);

    [LoggerMessage(LogLevel.Warning,
        "the cache cannot be kept within Kuik:CacheLimit ({Limit}): {Size} are recorded, {Excess} too much are in use or retained")]
    private partial void LogUnmet(string size, string excess, string limit);

    [LoggerMessage(LogLevel.Information, "the cache can be kept within Kuik:CacheLimit ({Limit}) again")]
    private partial void LogMet(string limit);
}
