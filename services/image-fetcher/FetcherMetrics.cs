using System.Diagnostics.Metrics;
using Kuik.Hosting;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>Counters of the outcomes of announced work. A singleton.</summary>
public sealed class FetcherMetrics
{
    // Each has two series of v1's counter, and nine of the durations: with these limits none has more than 128.
    private readonly BoundedLabels _registries = new(50, mostUnproven: 10);
    private readonly BoundedLabels _timed = new(10, mostUnproven: 3);
    private readonly TimeProvider _time;
    private readonly Counter<long> _copies;
    private readonly UpDownCounter<long> _attempts;
    private readonly Histogram<double> _durations;
    private readonly Counter<long> _evictions;
    private readonly Counter<long> _sweeps;
    private readonly Counter<long> _verifications;
    private readonly Counter<long> _adoptions;
    private readonly Counter<long> _refreshes;
    private readonly Counter<long> _withoutLock;
    private readonly Histogram<double> _lockWaits;
    private long _put;
    private long _removed;

    /// <summary>The outcome of a copy that succeeded.</summary>
    public const string Cached = "cached";

    /// <summary>The outcome of a comparison that found a moved tag, whose image was copied again.</summary>
    public const string Moved = "moved";

    /// <summary>The outcome of an eviction that succeeded.</summary>
    public const string Evicted = "evicted";

    /// <summary>Counts on image-fetcher's meter.</summary>
    public FetcherMetrics(IMeterFactory meters, TimeProvider time)
    {
        _time = time;
        var meter = meters.Create("Kuik.ImageFetcher");
        _copies = meter.CreateCounter<long>(
            "kuik_fetcher_copies", description: "Announced copies that ended, by outcome: cached, or the kind of failure");
        _durations = meter.CreateHistogram("kuik_fetcher_copy_seconds",
            description: "Duration of announced copies that ended, by host of the origin and outcome",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600] });
        // v1's name has no _total, which every counter gets.
        _attempts = meter.CreateUpDownCounter<long>("kube_image_keeper_controller_image_caching_request",
            description: "Announced copies that ended, by whether they succeeded and by host of the origin");
        // Observed, so that they are on the first scrape, as in v1.
        meter.CreateObservableCounter("kube_image_keeper_controller_image_put_in_cache", () => Interlocked.Read(ref _put),
            description: "Images that were copied into the cache, or again after their tag had moved");
        meter.CreateObservableCounter("kube_image_keeper_controller_image_removed_from_cache", () => Interlocked.Read(ref _removed),
            description: "Images that were removed from the cache");
        _evictions = meter.CreateCounter<long>(
            "kuik_fetcher_evictions", description: "Announced evictions that ended, by outcome: evicted, cache or internal");
        _sweeps = meter.CreateCounter<long>(
            "kuik_fetcher_sweeps", description: "Sweeps of repositories of the cache, by outcome: swept, doubt, cache or internal");
        _verifications = meter.CreateCounter<long>(
            "kuik_fetcher_verifications",
            description: "Looks whether the cache registry still has an image, by outcome: whole, lost or failed (it did not answer)");
        _adoptions = meter.CreateCounter<long>(
            "kuik_fetcher_adoptions",
            description: "Images in the cache registry that the log did not have, by outcome: adopted, or requested (a part is missing)");
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

    /// <summary>Begins the measurement of a copy.</summary>
    internal CopyMeasurement BeginCopy(string image) => new(this, _time, image);

    /// <summary>Counts a finished copy.</summary>
    /// <param name="host">The origin's; null for what is no image reference.</param>
    /// <param name="outcome"><see cref="Cached"/>, or a kind of <see cref="CopyException"/>.</param>
    /// <param name="took">Its duration.</param>
    public void CountCopy(string? host, string outcome, TimeSpan took)
    {
        host ??= BoundedLabels.Other;
        var isCached = outcome == Cached;
        _copies.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));
        _attempts.Add(1, new("successful", isCached ? "true" : "false"), new("upstream_registry", _registries.Get(host, isCached)));
        _durations.Record(took.TotalSeconds, new("registry", _timed.Get(host, isCached)), new("outcome", outcome));
        if (isCached)
            Interlocked.Increment(ref _put);
    }

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
    public void CountRefresh(string outcome)
    {
        _refreshes.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));
        if (outcome == Moved)
            Interlocked.Increment(ref _put);
    }

    /// <summary>Counts an image that was found in the cache registry without a record.</summary>
    /// <param name="outcome"><c>adopted</c> or <c>requested</c>.</param>
    public void CountAdoption(string outcome) => _adoptions.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));

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
    public void CountEviction(string outcome)
    {
        _evictions.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));
        if (outcome == Evicted)
            Interlocked.Increment(ref _removed);
    }
}
