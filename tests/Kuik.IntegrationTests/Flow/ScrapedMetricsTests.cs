using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Flow;

/// <summary>Kuik's own metrics for a dashboard, as Debian's Prometheus has them from the services.</summary>
[Collection(nameof(FlowCollection))]
public sealed class ScrapedMetricsTests(FlowFixture flow)
{
    [Fact]
    public async Task Copies_pulls_and_saved_bytes_are_on_a_scrape_by_origin_and_image()
    {
        // Given an image that is cached
        var space = await flow.Kuik.Kubernetes.NewNamespace();
        await using var prometheus = await Prometheus.Start(flow.Services);
        var image = await flow.PushImage("metrics/often", "1", TestImage.Small(flow.Seed()));
        await flow.CachedByPod(space, "often", image);

        // When it is pulled more than ten times, once with its layers
        using var pulled = new HttpClient { BaseAddress = flow.Kuik.NodeProxy.Endpoint };
        var manifest = new Uri($"v2/{flow.Front.Host.Replace(':', '_')}/metrics/often/manifests/1", UriKind.Relative);
        for (var pull = 0; pull < 12; pull++)
            await pulled.GetByteArrayAsync(manifest, TestContext.Current.CancellationToken);
        await Skopeo.Pull(flow.Local(image));
        await Eventually.True(
            async () =>
            {
                await pulled.GetByteArrayAsync(manifest, TestContext.Current.CancellationToken);
                return (await prometheus.Query($"sum(kuik_image_pulls_total{{image='{image}',cacheHit='true'}})")) is [{ Value: > 0 }];
            },
            "its hits are counted by its name");

        // Then Prometheus has what a dashboard shows
        var registry = $"registry='{flow.Front.Host}'";
        await prometheus.Shows($"kuik_proxy_saved_bytes_total{{{registry}}}", series => series is [{ Value: > 10_000 }]);
        await prometheus.Shows($"kuik_fetcher_copy_seconds_count{{{registry},outcome='cached'}}", series => series.Count > 0);
        await prometheus.Shows("kuik_watcher_oldest_request_seconds", series => series is [{ Value: >= 0 }]);
        await prometheus.Shows("kuik_event_log_lag_seconds{shard=~'relay.*'}", series => series is [{ Value: >= 0 }]);
        await prometheus.Shows("kuik_watcher_observation_age_seconds", series => series is [{ Value: >= 0 }]);
        await prometheus.Shows("sum by (job) (up)", series => series.Count == 5 && series.All(job => job.Value > 0));
        await flow.DeletePod(space, "often");
    }
}
