using Kuik.Kubernetes;
using Kuik.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>The reflector on a real API server that is killed, restarted and has forgotten. Its clock is a fake one, so that the test says
/// when it tries again.</summary>
public sealed class ReflectorTests : IAsyncDisposable
{
    private readonly CancellationTokenSource stop = new();
    private readonly FakeTimeProvider time = new();
    private Testing.KubernetesApi cluster = null!;
    private Reflector<CachedImage, CachedImage> reflector = null!;
    private Task following = Task.CompletedTask;

    [Fact]
    public async Task A_list_is_followed_by_a_watch()
    {
        await Follow();
        await Make("one");
        await Make("two");
        await Eventually.True(() => Keys() == "one two", "both are seen");

        await cluster.Kubectl("delete", "cachedimage", "one");

        await Eventually.True(() => Keys() == "two", "the deletion is seen");
        var changeSet = await reflector.TakeChanges(CancellationToken.None);
        Assert.True(changeSet.Listed);
        Assert.Equal("one", Assert.Single(changeSet.Deleted).Key);
        Assert.Equal(1, reflector.Lists);
        Assert.Null(reflector.Problem);
    }

    [Fact]
    public async Task A_version_that_the_api_server_has_forgotten_is_followed_by_a_new_list_that_also_shows_what_went()
    {
        await Follow();
        await Make("one");
        await Make("two");
        await Eventually.True(() => Keys() == "one two", "both are seen");
        _ = await reflector.TakeChanges(CancellationToken.None);

        // Others' changes move the cluster on while ours stand still; a restarted API server knows nothing older than its start.
        await cluster.Stop();
        await Eventually.True(() => reflector.Problem is not null and not "not listed yet", "the loss is noticed");
        await cluster.Restart();
        await cluster.Kubectl("delete", "cachedimage", "one");
        await cluster.Kubectl("create", "configmap", "anything");
        await cluster.Stop();
        await cluster.Restart();
        await Eventually.True(() => { time.Advance(TimeSpan.FromSeconds(30)); return reflector.Lists == 2; }, "it lists again");

        Assert.Equal("two", Keys());
        var changeSet = await reflector.TakeChanges(CancellationToken.None);
        Assert.True(changeSet.Listed);
        Assert.Empty(changeSet.Deleted);   // absence in a list is not a deletion that was seen
        await Make("three");
        await Eventually.True(() => Keys() == "three two", "it watches again");
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop.Dispose();
    }

    private async Task Follow()
    {
        cluster = await Testing.KubernetesApi.StartOwn();
        await cluster.Kubectl("apply", "-k", Path.Combine(Cluster.Root(), "deploy/kustomize/base/crds"));
        await cluster.Kubectl("wait", "--for=condition=Established", "crd/cachedimages.kuik.enix.io");
        var watchedResource = new WatchedResource<CachedImage, CachedImage>(
            "cachedimages", CachedImage.Path, null, KubernetesJson.Default.ResourceListCachedImage,
            KubernetesJson.Default.WatchLineCachedImage, image => image.Metadata.Name!, image => image);
        reflector = new Reflector<CachedImage, CachedImage>(watchedResource,
            new Kubernetes.KubernetesApi(KubernetesAccess.Connect(cluster.Kubeconfig)), time, NullLogger.Instance);
        following = reflector.Run(stop.Token);
        await Eventually.True(() => reflector.Problem is null, "it watches");
    }

    private Task Make(string name) =>
        cluster.Apply($$$"""{"apiVersion":"kuik.enix.io/v1alpha1","kind":"CachedImage","metadata":{"name":"{{{name}}}"},"spec":{"sourceImage":"nginx"}}""");

    private string Keys() => string.Join(' ', reflector.State.Keys.Order(StringComparer.Ordinal));
}
