using System.Diagnostics.Metrics;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>Counts what became of announced work. Injected as a singleton.</summary>
public sealed class FetcherMetrics
{
    private readonly Counter<long> copies;
    private readonly Counter<long> evictions;

    /// <summary>Counts on image-fetcher's meter.</summary>
    public FetcherMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Kuik.ImageFetcher");
        copies = meter.CreateCounter<long>(
            "kuik_fetcher_copies", description: "Announced copies that ended, by outcome: cached, or the kind of failure");
        evictions = meter.CreateCounter<long>(
            "kuik_fetcher_evictions", description: "Announced evictions that ended, by outcome: evicted, cache or internal");
    }

    /// <summary>A copy ended.</summary>
    /// <param name="outcome"><c>cached</c>, or a kind of <see cref="CopyFailed"/>.</param>
    public void CountCopy(string outcome) => copies.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>An eviction ended.</summary>
    /// <param name="outcome"><c>evicted</c>, or a kind of <see cref="CopyFailed"/>.</param>
    public void CountEviction(string outcome) => evictions.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));
}
