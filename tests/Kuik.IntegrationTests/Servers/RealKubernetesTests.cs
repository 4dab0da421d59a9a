using Kuik.IntegrationTests.PodWatcher;
using Xunit;

namespace Kuik.IntegrationTests.Servers;

/// <summary>On a real kube-apiserver.</summary>
[Collection(nameof(Cluster))]
public sealed class RealKubernetesTests(Cluster cluster) : KubernetesConformance, IAsyncDisposable
{
    protected override string Kubeconfig => cluster.Api.Kubeconfig;

    // The cluster is shared with tests of pod-watcher, which follows all of these.
    public async ValueTask DisposeAsync() => await cluster.Api.Kubectl("delete", "cachedimages", "--all");
}
