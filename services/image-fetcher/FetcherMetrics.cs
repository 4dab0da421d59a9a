using System.Diagnostics.Metrics;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>Counters of the outcomes of announced work. A singleton.</summary>
public sealed class FetcherMetrics
{
    private readonly Counter<long> copies;
    private readonly Counter<long> evictions;
    private readonly Counter<long> sweeps;
    private readonly Counter<long> verifications;
    private readonly Counter<long> adoptions;
    private readonly Counter<long> withoutLock;
    private readonly Histogram<double> lockWaits;

    /// <summary>Counts on image-fetcher's meter.</summary>
    public FetcherMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Kuik.ImageFetcher");
        copies = meter.CreateCounter<long>(
            "kuik_fetcher_copies", description: "Announced copies that ended, by outcome: cached, or the kind of failure");
        evictions = meter.CreateCounter<long>(
            "kuik_fetcher_evictions", description: "Announced evictions that ended, by outcome: evicted, cache or internal");
        sweeps = meter.CreateCounter<long>(
            "kuik_fetcher_sweeps", description: "Sweeps of repositories of the cache, by outcome: swept, doubt, cache or internal");
        verifications = meter.CreateCounter<long>(
            "kuik_fetcher_verifications",
            description: "Looks whether the cache registry still has an image, by outcome: whole, lost or failed (it did not answer)");
        adoptions = meter.CreateCounter<long>(
            "kuik_fetcher_adoptions",
            description: "Images in the cache registry that the log did not have, by outcome: adopted, or requested (a part is missing)");
        withoutLock = meter.CreateCounter<long>(
            "kuik_fetcher_without_lock",
            description: "Writes to the cache without a lock because Postgres was unreachable, by lock: repository or collection");
        lockWaits = meter.CreateHistogram("kuik_fetcher_lock_wait_seconds",
            description: "Waits for a lock before writing to the cache, by lock: repository or collection",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.01, 0.1, 1, 5, 30, 120, 600] });
    }

    /// <summary>Counts a finished copy.</summary>
    /// <param name="outcome"><c>cached</c>, or a kind of <see cref="CopyException"/>.</param>
    public void CountCopy(string outcome) => copies.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>Counts a finished sweep.</summary>
    /// <param name="outcome"><c>swept</c>, <c>doubt</c>, or a kind of <see cref="CopyException"/>.</param>
    public void CountSweep(string outcome) => sweeps.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>The cache registry was looked at for images.</summary>
    /// <param name="outcome"><c>whole</c>, <c>lost</c> or <c>failed</c>.</param>
    /// <param name="images">How many.</param>
    public void CountVerifications(string outcome, int images) =>
        verifications.Add(images, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>Counts an image that was found in the cache registry without a record.</summary>
    /// <param name="outcome"><c>adopted</c> or <c>requested</c>.</param>
    public void CountAdoption(string outcome) => adoptions.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>Counts work that continues without a lock.</summary>
    /// <param name="kind"><c>repository</c> or <c>collection</c>.</param>
    public void CountWithoutLock(string kind) => withoutLock.Add(1, KeyValuePair.Create<string, object?>("lock", kind));

    /// <summary>Records the wait for a lock, whether it was taken or not.</summary>
    /// <param name="kind"><c>repository</c> or <c>collection</c>.</param>
    /// <param name="wait">The duration.</param>
    public void MeasureLockWait(string kind, TimeSpan wait) =>
        lockWaits.Record(wait.TotalSeconds, KeyValuePair.Create<string, object?>("lock", kind));

    /// <summary>Counts a finished eviction.</summary>
    /// <param name="outcome"><c>evicted</c>, or a kind of <see cref="CopyException"/>.</param>
    public void CountEviction(string outcome) => evictions.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));
}
