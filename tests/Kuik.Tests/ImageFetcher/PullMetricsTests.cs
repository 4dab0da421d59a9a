using System.Diagnostics.Metrics;
using Kuik.Hosting;
using Kuik.ImageFetcher;
using Kuik.Oci;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class PullMetricsTests : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly MeterListener _listener = new();
    private readonly Dictionary<(string Image, string CacheHit), long> _counted = [];
    private readonly PullMetrics _metrics;

    public PullMetricsTests()
    {
        var meters = _services.GetRequiredService<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == meters)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            var key = ((string)tags[0].Value!, (string)tags[1].Value!);
            _counted[key] = _counted.GetValueOrDefault(key) + value;
        });
        _listener.Start();
        _metrics = new PullMetrics(meters);
    }

    public void Dispose()
    {
        _listener.Dispose();
        _services.Dispose();
    }

    [Fact]
    public void An_image_has_a_label_of_its_own_from_its_tenth_pull_on()
    {
        _metrics.Count([Pulls("a:1", 9, hits: 8)]);
        _metrics.Count([Pulls("a:1", 1, hits: 1), Pulls("b:1", 1, hits: 0)]);

        Assert.Equal(
            new() { [("other", "true")] = 8, [("other", "false")] = 2, [("a:1", "true")] = 1 }, _counted);
    }

    [Fact]
    public void Reports_that_do_not_tell_hits_are_left_out()
    {
        _metrics.Count([new CountedPulls("a:1", 20, DateTimeOffset.UnixEpoch)]);

        Assert.Empty(_counted);
    }

    [Fact]
    public void Pulls_of_many_images_add_no_series_beyond_the_limit()
    {
        for (var round = 0; round < 2; round++)
            _metrics.Count(Enumerable.Range(0, 5000).Select(number => Pulls($"{number}:1", PullMetrics.Often, hits: 1)));

        Assert.Equal(PullMetrics.MostImages + 1, _counted.Keys.Select(key => key.Image).Distinct().Count());
        Assert.Contains((BoundedLabels.Other, "true"), _counted.Keys);
        Assert.Equal(2 * 5000 * PullMetrics.Often, _counted.Values.Sum());
    }

    private static CountedPulls Pulls(string image, long count, long hits) => new(image, count, DateTimeOffset.UnixEpoch) { Hits = hits };
}
