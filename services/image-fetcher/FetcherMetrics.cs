using System.Diagnostics.Metrics;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>Counters of the outcomes of announced work. A singleton.</summary>
public sealed class FetcherMetrics
{
    private readonly Counter<long> _copies;
    private readonly Counter<long> _evictions;
    private readonly Counter<long> _sweeps;
    private readonly Counter<long> _verifications;
    private readonly Counter<long> _refreshes;
    private readonly Counter<long> _withoutLock;
    private readonly Histogram<double> _lockWaits;

    /// <summary>Counts on image-fetcher's meter.</summary>
    public FetcherMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Kuik.ImageFetcher");
        _copies = meter.CreateCounter<long>(
            "kuik_fetcher_copies", description: "Announced copies that ended, by outcome: cached, or the kind of failure");
        _evictions = meter.CreateCounter<long>(
            "kuik_fetcher_evictions", description: "Announced evictions that ended, by outcome: evicted, cache or internal");
        _sweeps = meter.CreateCounter<long>(
            "kuik_fetcher_sweeps", description: "Sweeps of repositories of the cache, by outcome: swept, doubt, cache or internal");
        _verifications = meter.CreateCounter<long>(
            "kuik_fetcher_verifications",
            description: "Looks whether the cache registry still has an image, by outcome: whole, lost or failed (it did not answer)");
        _refreshes = meter.CreateCounter<long>(
            "kuik_fetcher_refreshes",
            description: "Comparisons of cached images with their origins, by outcome: same, moved, or the kind of failure");
        _withoutLock = meter.CreateCounter<long>(
            "kuik_fetcher_without_lock",
            description: "Writes to the cache without a lock because Postgres was unreachable, by lock: repository or collection");
        _lockWaits = meter.CreateHistogram("kuik_fetcher_lock_wait_seconds",
            description: "Waits for a lock before writing to the cache, by lock: repository or collection",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.01, 0.1, 1, 5, 30, 120, 600] });
    }

    /// <summary>Counts a finished copy.</summary>
    /// <param name="outcome"><c>cached</c>, or a kind of <see cref="CopyException"/>.</param>
    public void CountCopy(string outcome) => _copies.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>Counts a finished sweep.</summary>
    /// <param name="outcome"><c>swept</c>, <c>doubt</c>, or a kind of <see cref="CopyException"/>.</param>
    public void CountSweep(string outcome) => _sweeps.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>The cache registry was looked at for images.</summary>
    /// <param name="outcome"><c>whole</c>, <c>lost</c> or <c>failed</c>.</param>
    /// <param name="images">How many.</param>
    public void CountVerifications(string outcome, int images) =>
        _verifications.Add(images, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>Counts a comparison of an image with its origin.</summary>
    /// <param name="outcome"><c>same</c>, <c>moved</c>, or a kind of <see cref="CopyException"/>.</param>
    public void CountRefresh(string outcome) => _refreshes.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>Counts work that continues without a lock.</summary>
    /// <param name="kind"><c>repository</c> or <c>collection</c>.</param>
    public void CountWithoutLock(string kind) => _withoutLock.Add(1, KeyValuePair.Create<string, object?>("lock", kind));

    /// <summary>Records the wait for a lock, whether it was taken or not.</summary>
    /// <param name="kind"><c>repository</c> or <c>collection</c>.</param>
    /// <param name="wait">The duration.</param>
    public void MeasureLockWait(string kind, TimeSpan wait) =>
        _lockWaits.Record(wait.TotalSeconds, KeyValuePair.Create<string, object?>("lock", kind));

    /// <summary>Counts a finished eviction.</summary>
    /// <param name="outcome"><c>evicted</c>, or a kind of <see cref="CopyException"/>.</param>
    public void CountEviction(string outcome) => _evictions.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));
}
