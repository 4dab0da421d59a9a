using System.Diagnostics.Metrics;

namespace Kuik.PodWatcher;

/// <summary>The metrics of this service. Injected as a singleton.</summary>
internal sealed class WatcherMetrics
{
    private readonly Counter<long> _recorded;
    private readonly Counter<long> _failures;
    private readonly Counter<long> _writes;
    private readonly Counter<long> _expiries;
    private readonly TimeProvider _time;
    private volatile IReadOnlyList<Controller> _controllers = [];
    private volatile CacheLimitResult? _cache;

    /// <summary>Creates the instruments on pod-watcher's meter.</summary>
    public WatcherMetrics(IMeterFactory meters, ClusterObservation observation, TimeProvider time)
    {
        _time = time;
        var meter = meters.Create("Kuik.PodWatcher");
        _recorded = meter.CreateCounter<long>("kuik_watcher_recorded",
            description: "Events that were recorded, by event: PodObserved, PodGone, ImageForgotten and others");
        _failures = meter.CreateCounter<long>(
            "kuik_watcher_failures",
            description: "Keys that could not be reconciled and are retried, by queue and kind: postgres, unreachable, internal, or the "
                + "API's HTTP status");
        _writes = meter.CreateCounter<long>(
            "kuik_watcher_api_writes",
            description: "Writes to the Kubernetes API, by kind of object and result: ok, unreachable, or the API's HTTP status");
        _expiries = meter.CreateCounter<long>(
            "kuik_watcher_expiry_decisions", description: "Decisions whether an image expires, by outcome: expired, used-again or nothing");
        meter.CreateObservableGauge("kuik_watcher_queue_depth", () => OfEach(queue => queue.Queue.Depth),
            description: "Keys that are not reconciled yet, by queue");
        meter.CreateObservableGauge("kuik_watcher_queue_failing", () => OfEach(queue => queue.Queue.Failing),
            description: "Keys of which the last attempt failed, by queue");
        meter.CreateObservableGauge(
            "kuik_watcher_queue_oldest_seconds", () =>
                OfEach(queue => queue.Queue.OldestSince is { } since ? (_time.GetUtcNow() - since).TotalSeconds : 0),
            description: "Since when the oldest key is not reconciled, by queue");
        meter.CreateObservableGauge(
            "kuik_watcher_observation_age_seconds", () => observation.Age is { } age
                ? [new Measurement<double>(age.TotalSeconds)]
                : Array.Empty<Measurement<double>>(),
            description: "Since the last complete observation of the cluster; absent on a replica that observes nothing");
        meter.CreateObservableGauge(
            "kuik_watcher_cache_bytes", () => OfCache(cache => cache.SizeInBytes), unit: null,
            description:
            "Recorded size of the cache that counts against Kuik:CacheLimit; absent without a limit, and on replicas that do not lead");
        meter.CreateObservableGauge(
            "kuik_watcher_cache_excess_bytes", () => OfCache(cache => cache.ExcessInBytes), unit: null,
            description:
            "By how much Kuik:CacheLimit cannot be met, because the rest is in use or retained; absent as kuik_watcher_cache_bytes is");
    }

    /// <summary>The cache was compared with its limit; null when this replica does not do that.</summary>
    public void ShowCache(CacheLimitResult? cache) => _cache = cache;

    /// <summary>Sets the running controllers; empty on a replica that does not lead.</summary>
    public void Follow(params IReadOnlyList<Controller> controllers) => _controllers = controllers;

    /// <summary>Counts a recorded event.</summary>
    public void CountRecorded(string fact) => _recorded.Add(1, KeyValuePair.Create<string, object?>("event", fact));

    /// <summary>Counts a decision about the expiry of an image.</summary>
    /// <param name="outcome"><c>expired</c>, <c>used-again</c> or <c>nothing</c>.</param>
    public void CountDecision(string outcome) => _expiries.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>Counts keys whose reconciliation failed.</summary>
    public void CountFailure(string queue, string kind, int keys) =>
        _failures.Add(keys, KeyValuePair.Create<string, object?>("queue", queue), KeyValuePair.Create<string, object?>("kind", kind));

    /// <summary>Counts a write to the API, answered or failed.</summary>
    public void CountWrite(string kind, string result) =>
        _writes.Add(1, KeyValuePair.Create<string, object?>("kind", kind), KeyValuePair.Create<string, object?>("result", result));

    private IEnumerable<Measurement<long>> OfCache(Func<CacheLimitResult, long> measure) =>
        _cache is { } cache ? [new Measurement<long>(measure(cache))] : [];

    private IEnumerable<Measurement<double>> OfEach(Func<Controller, double> measure) =>
        _controllers.Select(controller =>
            new Measurement<double>(measure(controller), KeyValuePair.Create<string, object?>("queue", controller.What)));
}
