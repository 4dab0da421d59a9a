using System.Diagnostics.Metrics;
using Kuik.Hosting;

namespace Kuik.PodWatcher;

/// <summary>
/// The gauges of v1's controllers under v1's names, and the age of the oldest request. The leader counts what it keeps in memory, at most
/// once in <see cref="Interval"/>: a scrape asks neither the API nor Postgres. A singleton.
/// </summary>
internal sealed class ResourceMetrics
{
    /// <summary>The age up to which counts are used again: each goes through all pods and CachedImages in memory.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private volatile Func<ResourceCounts>? _count;
    private ResourceCounts? _counts;
    private long _countedAt;
    private volatile bool _isLeader;

    /// <summary>Creates the instruments on pod-watcher's meter.</summary>
    public ResourceMetrics(IMeterFactory meters, TimeProvider time)
    {
        _time = time;
        var meter = meters.Create("Kuik.PodWatcher");
        meter.CreateObservableGauge("kube_image_keeper_controller_build_info", BuildInfo.Measure,
            description: "1, with the build as labels");
        meter.CreateObservableGauge("kube_image_keeper_controller_up", () => 1, description: "1");
        meter.CreateObservableGauge("kube_image_keeper_controller_is_leader", () => _isLeader ? 1 : 0,
            description: "1 on the replica that leads, 0 on others");
        meter.CreateObservableGauge("kube_image_keeper_controller_cached_images", () => Measure(counts => counts.Images.Select(
            image => new Measurement<int>(image.Value, new("status", image.Key.Phase), new("cached", Text(image.Key.IsCached)),
                new("expiring", Text(image.Key.IsExpiring))))),
            description: "CachedImages, by phase, whether they are cached and whether they expire; only on the replica that leads");
        meter.CreateObservableGauge("kube_image_keeper_controller_repositories", () => Measure(counts => counts.Repositories.Select(
            repository => new Measurement<int>(repository.Value, new KeyValuePair<string, object?>("status", repository.Key)))),
            description: "Repositories, by phase; only on the replica that leads");
        meter.CreateObservableGauge("kube_image_keeper_controller_containers_with_cached_image", () => Measure(
            counts => counts.Containers.Select(container => new Measurement<int>(
                container.Value, new("status", container.Key.Phase), new("cached", Text(container.Key.IsCached))))),
            description: "Containers whose image has a CachedImage, by its phase and whether it is cached; only on the replica that leads");
        meter.CreateObservableGauge("kuik_watcher_oldest_request_seconds", () => Measure<double>(counts => [new Measurement<double>(
            counts.WaitingSince is { } since ? Math.Max(0, (_time.GetUtcNow() - since).TotalSeconds) : 0)]),
            description: "Since when the oldest image waits that is neither cached nor has failed; 0 when none waits; only on the replica "
                + "that leads");
    }

    /// <summary>This replica leads, or does not lead any more.</summary>
    public void Lead(bool isLeader)
    {
        _isLeader = isLeader;
        if (!isLeader)
            Follow(null);
    }

    /// <summary>Sets how to count.</summary>
    /// <param name="count">Called by scrapes; null on a replica that has nothing to count.</param>
    public void Follow(Func<ResourceCounts>? count)
    {
        lock (_gate)
            (_count, _counts) = (count, null);
    }

    private IEnumerable<Measurement<T>> Measure<T>(Func<ResourceCounts, IEnumerable<Measurement<T>>> measure) where T : struct
    {
        lock (_gate)
        {
            if (_count is not { } count)
                return [];
            if (_counts is null || _time.GetElapsedTime(_countedAt) >= Interval)
                (_counts, _countedAt) = (count(), _time.GetTimestamp());
            return measure(_counts);
        }
    }

    private static string Text(bool value) => value ? "true" : "false";
}
