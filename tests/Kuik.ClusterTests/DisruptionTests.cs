using Kuik.Testing;
using Xunit;

namespace Kuik.ClusterTests;

[Collection(nameof(ClusterCollection))]
public sealed class DisruptionTests(Cluster cluster)
{
    [Fact]
    public async Task A_node_proxy_that_is_killed_is_back_by_itself_and_pods_pull_again()
    {
        await cluster.Kuik.Ready();
        var space = await cluster.NewNamespace();
        var (name, image) = await Cached(space, "team/killed");
        await using var pulls = await ConstantPulls.Start(name, image);

        var container = await cluster.Kuik.Container("node-proxy");
        await RunTool.Run("ctr", ["-n", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", container]);
        await Eventually.True(
            async () => await cluster.Kuik.Container("node-proxy") is not "" and var next && next != container,
            "node-proxy is started again", TimeSpan.FromMinutes(2));
        await pulls.Another();
        await cluster.Run(space, "after", name);

        Console.WriteLine($"node-proxy killed: {pulls}");
        Assert.InRange(pulls.LongestGap, TimeSpan.Zero, TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task Without_Postgres_and_RabbitMQ_pods_run_and_what_they_pulled_is_cached_once_both_are_back()
    {
        await cluster.Kuik.Ready();
        var space = await cluster.NewNamespace();
        var (cached, _) = await Cached(space, "team/known");
        var fresh = await Public("team/unknown");
        var restarts = await cluster.Kuik.Restarts();

        await cluster.Kuik.Scale("statefulset/kuik-postgres", 0);
        await cluster.Kuik.Scale("deployment/kuik-rabbitmq", 0);
        try
        {
            await Cluster.Without(cluster.Origin, () => cluster.Run(space, "known", cached));
            await cluster.Run(space, "unknown", fresh);
        }
        finally
        {
            await cluster.Kuik.Scale("statefulset/kuik-postgres", 1);
            await cluster.Kuik.Scale("deployment/kuik-rabbitmq", 1);
        }

        await cluster.WaitUntilCached(fresh);
        await cluster.Kuik.WaitUntilReady();
        Assert.Equal(restarts, await cluster.Kuik.Restarts());
    }

    [Fact]
    public async Task Postgres_and_RabbitMQ_that_are_killed_are_back_by_themselves_with_what_they_knew()
    {
        await cluster.Kuik.Ready();
        var space = await cluster.NewNamespace();
        var (cached, image) = await Cached(space, "team/before");
        await using var pulls = await ConstantPulls.Start(cached, image);

        await cluster.Kuik.Kill("postgres", "rabbitmq");

        await cluster.WaitUntilCached(cached);
        var fresh = await Public("team/after");
        await cluster.Run(space, "after", fresh);
        await cluster.WaitUntilCached(fresh);
        await cluster.Kuik.WaitUntilReady();
        await pulls.Another();
        Console.WriteLine($"Postgres and RabbitMQ killed: {pulls}");
        Assert.Equal(0, pulls.Failures);
    }

    [Fact]
    public async Task Without_the_clusters_DNS_cached_and_public_images_are_pulled_and_recorded_afterwards()
    {
        await cluster.Kuik.Ready();
        var space = await cluster.NewNamespace();
        var (cached, _) = await Cached(space, "team/resolved");
        string[] fresh = [await Public("team/unresolved"), await Public("team/direct")];
        await cluster.Run(space, "resolver", await Public("team/resolver"));
        Assert.True(await Resolves(space, "resolver"));

        await Cluster.WithoutDns(async () =>
        {
            Assert.False(await Resolves(space, "resolver"));
            await Cluster.Without(cluster.Origin, () => cluster.Run(space, "cached", cached));
            await cluster.Run(space, "public", fresh[0]);
            await cluster.Kuik.Kill("image-fetcher");   // its successor finds neither Postgres nor the cache
            await cluster.Run(space, "direct", fresh[1]);
        });

        await cluster.Kuik.WaitUntilReady();
        foreach (var image in fresh)
            await cluster.WaitUntilCached(image);
    }

    [Fact]
    public async Task While_all_of_Kuik_is_restarted_every_pod_gets_its_image()
    {
        await cluster.Kuik.Ready();
        var space = await cluster.NewNamespace();
        var (name, image) = await Cached(space, "team/constant");
        await using var pulls = await ConstantPulls.Start(name, image);

        var restarted = cluster.Kuik.Restart();
        var pods = await RunPodsUntil(restarted, space);
        await restarted;
        await pulls.Another();

        Console.WriteLine($"all of Kuik restarted: {pulls}; {pods} pods with new images, all of them ran");
        Assert.Equal(0, pulls.Failures);
        // While the only registry is replaced, image-fetcher waits up to 2 s for a connection to it before it asks the origin, and
        // everything starts at once on two cores. A container runtime waits longer than this.
        Assert.InRange(pulls.LongestGap, TimeSpan.Zero, TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task A_node_proxy_that_ends_before_its_successor_starts_costs_pods_seconds_and_no_pull()
    {
        await cluster.Kuik.Ready();
        var space = await cluster.NewNamespace();
        var (name, image) = await Cached(space, "team/replaced");
        await using var pulls = await ConstantPulls.Start(name, image);

        var evicted = cluster.Kuik.Evict("node-proxy");
        await RunPodsUntil(evicted, space);
        await evicted;
        await cluster.Kuik.WaitUntilReady();
        await pulls.Another();

        // Kubernetes 1.20 removes a pod up to ten seconds after its containers have ended, and only then makes the next one.
        Console.WriteLine($"node-proxy replaced, the old one first: {pulls}");
        Assert.InRange(pulls.LongestGap, TimeSpan.Zero, TimeSpan.FromSeconds(30));
    }

    /// <summary>Runs pods one after another, each with an image that nothing has pulled yet.</summary>
    /// <returns>How many.</returns>
    private async Task<int> RunPodsUntil(Task end, string space)
    {
        var count = 0;
        do
        {
            count++;
            await cluster.Run(space, $"pod-{count}", await Public($"team/{space}-{count}"));
        }
        while (!end.IsCompleted);
        return count;
    }

    /// <summary>An image that nothing has pulled yet.</summary>
    private Task<string> Public(string repository) => cluster.Origin.Push(repository, "1", TestImage.Runnable(cluster.Seed()));

    /// <summary>True when a pod resolves the address of a Service.</summary>
    private async Task<bool> Resolves(string space, string pod) => (await cluster.Kubernetes.TryKubectl(
        ["-n", space, "exec", pod, "--", "/bin/busybox", "nslookup", "kuik-registry.kuik-system.svc.cluster.local"])).ExitCode == 0;

    /// <summary>An image that the cache has and the node has not.</summary>
    private async Task<(string Name, TestImage Image)> Cached(string space, string repository)
    {
        var image = TestImage.Runnable(cluster.Seed());
        repository = $"{repository}-{space}";   // another run in the same cluster has other bytes
        var name = await cluster.Origin.Push(repository, "1", image);
        await cluster.Run(space, "first", name);
        await cluster.WaitUntilCached(name);
        await cluster.Kubernetes.Kubectl("-n", space, "delete", "pod", "first");
        await Cluster.RemoveFromNode(repository);
        return (name, image);
    }
}
