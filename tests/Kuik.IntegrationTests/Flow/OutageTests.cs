using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Flow;

/// <summary>Whatever is down: a cached image pulls, and a public one that is not cached pulls from its origin.</summary>
[Collection(nameof(FlowCollection))]
public sealed class OutageTests(FlowFixture flow)
{
    [Fact]
    public Task Images_pull_while_Postgres_is_down() => PullsDuring("postgres", flow.Kuik.Postgres.Stop, flow.Kuik.Postgres.Start);

    [Fact]
    public Task Images_pull_while_RabbitMQ_is_down() => PullsDuring("rabbitmq", flow.Kuik.RabbitMq.Stop, flow.Kuik.RabbitMq.Start);

    [Fact]
    public Task Images_pull_while_the_Kubernetes_API_is_down() =>
        PullsDuring("kubernetes", flow.Kuik.Kubernetes.Stop, flow.Kuik.Kubernetes.Restart);

    [Fact]
    public Task Images_pull_while_the_whole_control_plane_is_down() => PullsDuring(
        "control-plane",
        () =>
        {
            foreach (var service in flow.Kuik.ControlPlane)
                service.Kill();
            return Task.CompletedTask;
        },
        () => Task.WhenAll(flow.Kuik.ControlPlane.Select(service => service.Restart())));

    [Fact]
    public Task Images_pull_while_the_cache_registry_is_down() => PullsDuring(
        "cache",
        async () =>
        {
            await flow.Kuik.Cache.Stop();
            await flow.Kuik.CacheForReading.Stop();
        },
        async () =>
        {
            await flow.Kuik.Cache.Restart();
            await flow.Kuik.CacheForReading.Restart();
        });

    private async Task PullsDuring(string what, Func<Task> stop, Func<Task> start)
    {
        var space = await flow.Kuik.Kubernetes.NewNamespace();
        var index = TestIndex.Small(flow.Seed());
        var cached = await flow.PushIndex($"outage/{what}-cached", "1", index);
        var publicImage = TestImage.Small(flow.Seed());
        var uncached = await flow.PushImage($"outage/{what}-uncached", "1", publicImage);
        await flow.CachedByPod(space, "web", cached);

        await stop();
        try
        {
            Assert.Equal(index.Bytes, await flow.InspectThroughProxy(cached));
            await Skopeo.Pull(flow.Local(cached), "linux/amd64");
            Assert.Equal(publicImage.Bytes, await flow.InspectThroughProxy(uncached));
            await Skopeo.Pull(flow.Local(uncached));
        }
        finally
        {
            await start();
        }

        // What was down comes back to work by itself: the next pod's image is cached.
        var next = await flow.PushImage($"outage/{what}-next", "1", TestImage.Small(flow.Seed()));
        await flow.CachedByPod(space, "after", next);
    }
}
