using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Flow;

/// <summary>The metrics of kube-image-keeper v1, by their names and labels, as Debian's Prometheus has them from the services: an alert or
/// a dashboard that was written for v1 finds them.</summary>
[Collection(nameof(FlowCollection))]
public sealed class V1MetricsTests(FlowFixture flow)
{
    private const string Prefix = "kube_image_keeper_";

    private static readonly string[] OfBuild = ["version", "revision", "built", "goversion", "goos", "goarch"];

    // The table of v1.14.0: each with its labels.
    private static readonly (string Name, string[] Labels)[] OfV1 =
    [
        ("controller_build_info", OfBuild),
        ("controller_cached_images", ["status", "cached", "expiring"]),
        ("controller_repositories", ["status"]),
        ("controller_containers_with_cached_image", ["status", "cached"]),
        ("controller_image_caching_request", ["successful", "upstream_registry"]),
        ("controller_image_put_in_cache_total", []),
        ("controller_image_removed_from_cache_total", []),
        ("controller_is_leader", []),
        ("controller_up", []),
        ("proxy_build_info", OfBuild),
        ("proxy_http_requests_total", ["registry", "statusCode", "cacheHit"]),
    ];

    [Fact]
    public async Task Every_metric_of_v1_is_on_a_scrape_with_its_labels_and_with_what_kubectl_shows()
    {
        // Given a Prometheus that scrapes all services, an image that is cached and pulled, and one that its origin does not have
        var space = await flow.Kuik.Kubernetes.NewNamespace();
        await using var prometheus = await Prometheus.Start(flow.Services);
        var image = await flow.PushImage("metrics/there", "1", TestImage.Small(flow.Seed()));
        await flow.CreatePod(space, "broken", $"{flow.Front.Host}/metrics/missing:1");
        await flow.CachedByPod(space, "web", image);
        await flow.InspectThroughProxy(image);

        // Then it has each metric of v1, with values of this moment
        foreach (var (name, labels) in OfV1)
            await prometheus.Shows(Prefix + name, series => series.Count > 0
                && series.All(one => labels.All(one.Labels.ContainsKey)));
        await prometheus.Shows("sum(kube_image_keeper_controller_is_leader)", series => series is [{ Value: 1 }]);
        await prometheus.Shows($"kube_image_keeper_controller_image_caching_request{{upstream_registry='{flow.Front.Host}'}}",
            series => series.Any(one => one is { Value: > 0 } && one.Labels["successful"] == "true")
                && series.Any(one => one is { Value: > 0 } && one.Labels["successful"] == "false"));
        await prometheus.Shows("kube_image_keeper_controller_containers_with_cached_image{status='Ready',cached='true'}",
            series => series is [{ Value: >= 1 }]);
        await prometheus.Shows($"kube_image_keeper_proxy_http_requests_total{{registry='{flow.Front.Host}',cacheHit='true'}}",
            series => series.Any(one => one.Value >= 1 && one.Labels["statusCode"] == "200"));
        await Agrees(prometheus, "sum(kube_image_keeper_controller_cached_images)", "cachedimages");
        await Agrees(prometheus, "sum(kube_image_keeper_controller_repositories)", "repositories");

        // When the last pod of the image goes
        var removed = await prometheus.Query("sum(kube_image_keeper_controller_image_removed_from_cache_total)");
        await flow.DeletePod(space, "web");

        // Then its removal is counted
        await prometheus.Shows("sum(kube_image_keeper_controller_image_removed_from_cache_total)",
            series => series is [{ Value: var now }] && now > removed[0].Value);
        await flow.DeletePod(space, "broken");
    }

    // Other tests' images may come and go: it agrees at some moment.
    private Task Agrees(Prometheus prometheus, string query, string resources) => Eventually.True(
        async () => await prometheus.Query(query) is [{ Value: var counted }]
            && counted == (await flow.Kuik.Kubernetes.Kubectl("get", resources, "-o", "name"))
                .Split('\n', StringSplitOptions.RemoveEmptyEntries).Length,
        $"{query} is the number of {resources}");
}
