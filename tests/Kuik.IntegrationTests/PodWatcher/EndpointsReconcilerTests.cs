using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>With the rights that deploy/kustomize gives pod-watcher, and no more.</summary>
[Collection(nameof(Cluster))]
public sealed class EndpointsReconcilerTests(Cluster cluster)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_Service_that_is_deleted_and_made_again_is_found_at_its_new_address()
    {
        using var reconciler = new EndpointsReconciler(
            new KubernetesApi(KubernetesAccess.Connect(cluster.Kubeconfig)),
            new WatcherOptions("kuik-system", [7439], TimeSpan.FromSeconds(15)), TimeProvider.System,
            NullLogger<EndpointsReconciler>.Instance);

        // another test's
        await cluster.Api.Kubectl("delete", "configmap", "-n", "kuik-system", EndpointsReconciler.Name, "--ignore-not-found");

        await reconciler.Reconcile(Stop);
        var before = await cluster.Api.Kubectl("get", "configmap", "-n", "kuik-system", EndpointsReconciler.Name, "--ignore-not-found");
        var cache = await Create("kuik-registry-read", 5000);
        var fetcher = await Create("kuik-image-fetcher", 80);
        await reconciler.Reconcile(Stop);
        var first = await Read();
        await Delete("kuik-registry-read");
        await reconciler.Reconcile(Stop);
        var without = await Read();
        await Create("other", 1, cache);   // so that it gets another address
        var moved = await Create("kuik-registry-read", 5000);
        await reconciler.Reconcile(Stop);
        await reconciler.Reconcile(Stop);
        var last = await Read();
        foreach (var service in (string[])["kuik-registry-read", "kuik-image-fetcher", "other"])
            await Delete(service);
        await reconciler.Reconcile(Stop);

        Assert.Equal("", before);
        Assert.Equal($"cache=http://{cache}:5000\nfetcher=http://{fetcher}:80\n", first);
        Assert.Equal($"fetcher=http://{fetcher}:80\n", without);
        Assert.NotEqual(cache, moved);
        Assert.Equal($"cache=http://{moved}:5000\nfetcher=http://{fetcher}:80\n", last);
        Assert.Equal(last, await Read());
    }

    [Theory]
    [InlineData("10.0.0.1", "http", "http://10.0.0.1:5000")]
    [InlineData("fd00:10:96::5", null, "http://[fd00:10:96::5]:5000")]
    [InlineData("10.0.0.1", "https", "https://10.0.0.1:5000")]
    [InlineData("None", "http", null)]
    [InlineData("", "http", null)]
    [InlineData(null, "http", null)]
    public void An_address_is_the_cluster_IP_and_the_first_port(string? ip, string? port, string? address) =>
        Assert.Equal(address,
            EndpointsReconciler.AddressOf(new Service(new ServiceSpec(ip, [new ServicePort(port, 5000), new ServicePort("other", 1)]))));

    private async Task<string> Create(string name, int port, string? ip = null)
    {
        string[] address = ip is null ? [] : [$"--clusterip={ip}"];
        await cluster.Api.Kubectl(["create", "service", "clusterip", name, "-n", "kuik-system", $"--tcp={port}:{port}", .. address]);
        return (await cluster.Api.Kubectl("get", "service", name, "-n", "kuik-system", "-o", "jsonpath={.spec.clusterIP}")).Trim();
    }

    private Task<string> Delete(string name) => cluster.Api.Kubectl("delete", "service", name, "-n", "kuik-system");

    private Task<string> Read() =>
        cluster.Api.Kubectl("get", "configmap", "-n", "kuik-system", EndpointsReconciler.Name, "-o", "jsonpath={.data.endpoints}");
}
