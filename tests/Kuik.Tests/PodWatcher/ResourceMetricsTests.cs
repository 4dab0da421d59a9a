using System.Diagnostics.Metrics;
using Kuik.PodWatcher;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class ResourceMetricsTests : IDisposable
{
    private static readonly ResourceCounts Some = new(
        new Dictionary<(string, bool, bool), int> { [("Ready", true, false)] = 7 }, new Dictionary<string, int> { ["Ready"] = 3 },
        new Dictionary<(string, bool), int> { [("Ready", true)] = 9 });

    private readonly FakeTimeProvider _time = new();
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly ResourceMetrics _metrics;

    public ResourceMetricsTests() => _metrics = new ResourceMetrics(_services.GetRequiredService<IMeterFactory>(), _time);

    public void Dispose() => _services.Dispose();

    [Fact]
    public void Scrapes_within_five_seconds_count_once()
    {
        var counted = 0;
        _metrics.Lead(true);
        _metrics.Follow(() => { counted++; return Some; });

        Scrape();
        Scrape();
        Assert.Equal(1, counted);
        _time.Advance(ResourceMetrics.Interval);
        Scrape();

        Assert.Equal(2, counted);
    }

    [Fact]
    public void Only_the_leader_counts_and_every_replica_says_whether_it_leads()
    {
        var follows = Scrape();
        _metrics.Lead(true);
        _metrics.Follow(() => Some);
        var leads = Scrape();
        _metrics.Lead(false);

        Assert.Equal(follows, Scrape());
        Assert.Equal(["kube_image_keeper_controller_build_info 1", "kube_image_keeper_controller_is_leader 0",
            "kube_image_keeper_controller_up 1"], follows);
        Assert.Equal(["kube_image_keeper_controller_build_info 1", "kube_image_keeper_controller_cached_images 7",
            "kube_image_keeper_controller_containers_with_cached_image 9", "kube_image_keeper_controller_is_leader 1",
            "kube_image_keeper_controller_repositories 3", "kube_image_keeper_controller_up 1", "kuik_watcher_oldest_request_seconds 0"],
            leads);
    }

    private string[] Scrape()
    {
        var seen = new List<string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listening) =>
            {
                if (instrument.Meter.Scope == _services.GetRequiredService<IMeterFactory>())
                    listening.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<int>((instrument, value, _, _) => seen.Add($"{instrument.Name} {value}"));
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => seen.Add($"{instrument.Name} {value}"));
        listener.Start();
        listener.RecordObservableInstruments();
        return [.. seen.Order(StringComparer.Ordinal)];
    }
}
