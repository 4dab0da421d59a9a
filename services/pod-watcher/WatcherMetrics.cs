using System.Diagnostics.Metrics;

namespace Kuik.PodWatcher;

/// <summary>Counts what this service decides. Injected as a singleton.</summary>
public sealed class WatcherMetrics
{
    private readonly Counter<long> expiries;

    /// <summary>Counts on pod-watcher's meter.</summary>
    public WatcherMetrics(IMeterFactory meters) => expiries = meters.Create("Kuik.PodWatcher").CreateCounter<long>(
        "kuik_watcher_expiry_decisions", description: "Decisions whether an image expires, by outcome: expired, used-again or nothing");

    /// <summary>It was decided whether an image expires.</summary>
    /// <param name="outcome"><c>expired</c>, <c>used-again</c> or <c>nothing</c>.</param>
    public void CountDecision(string outcome) => expiries.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));
}
