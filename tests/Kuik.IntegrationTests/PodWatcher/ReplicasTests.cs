using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>Two real replicas and one Lease.</summary>
[Collection(nameof(Cluster))]
public sealed class ReplicasTests(Cluster cluster)
{
    [Fact]
    public async Task One_of_two_replicas_watches_and_the_other_takes_over_after_kill_9()
    {
        await using var watchers = await Watchers.In(cluster);
        var first = await watchers.Start();
        var second = await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "1");
        Assert.Contains("leads: it watches the cluster", first.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("leads: it watches the cluster", second.Log, StringComparison.Ordinal);
        Assert.Contains("stands by for", await Watchers.Readiness(second), StringComparison.Ordinal);

        first.Kill();
        await watchers.DeletePod("web");
        await watchers.Pod("db", "postgres:17");

        await watchers.Shows("docker.io-library-postgres-17", ".status.usedBy.count", "1");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "0");
        Assert.Equal((2, 1, 2),
            (await watchers.Count("PodObserved"), await watchers.Count("PodGone"), await watchers.Count("RequestedByPod")));
        Assert.Contains("leads: it watches the cluster", second.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_replica_that_ends_gives_the_lease_back()
    {
        await using var watchers = await Watchers.In(cluster);
        var first = await watchers.Start();
        var second = await watchers.Start();

        await first.Stop();

        await Eventually.True(() => second.Log.Contains("leads: it watches the cluster", StringComparison.Ordinal), "the other one leads");
        Assert.DoesNotContain("was not released", first.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_reached_is_said_in_one_line_and_the_watcher_works_when_it_can()
    {
        await using var watchers = await Watchers.In(cluster);
        var watcher = await KuikService.Start("PodWatcher", new KuikServiceOptions
        {
            WaitFor = "healthz",
            Settings = new Dictionary<string, string?>
            {
                ["KUBECONFIG"] = cluster.Api.Kubeconfig,
                ["ConnectionStrings:Postgres"] = watchers.Log,
                ["ConnectionStrings:RabbitMq"] = "amqp://nobody:secret-word@127.0.0.1:1/",
                ["Kuik:Namespace"] = "missing-yet",
                ["Kuik:LeaseDuration"] = "00:00:05",
            },
        });
        await Eventually.True(() => watcher.Log.Contains("the namespace missing-yet does not exist", StringComparison.Ordinal),
            "the missing namespace is named");
        Assert.Contains("the namespace missing-yet does not exist", await Watchers.Readiness(watcher), StringComparison.Ordinal);

        await cluster.Api.NewNamespace("missing-yet");

        await watcher.Ready();
        Assert.DoesNotContain("secret-word", watcher.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", watcher.Log, StringComparison.Ordinal);
        watcher.Kill();
    }

    [Theory]
    [InlineData("KUBECONFIG", "/no/such/file", "KUBECONFIG")]
    [InlineData("Kuik:Proxy:PreviousPorts", "7439,none", "Kuik:Proxy:PreviousPorts")]
    [InlineData("Kuik:LeaseDuration", "00:00:01", "Kuik:LeaseDuration")]
    public async Task A_wrong_setting_ends_it_with_one_line(string key, string value, string named)
    {
        var watcher = await KuikService.Start("PodWatcher", new KuikServiceOptions
        {
            WaitFor = null,
            Settings = new Dictionary<string, string?>
            {
                ["KUBECONFIG"] = cluster.Api.Kubeconfig,
                ["ConnectionStrings:Postgres"] = "Host=127.0.0.1;Port=1;Username=kuik;Password=kuik",
                ["ConnectionStrings:RabbitMq"] = "amqp://127.0.0.1:1/",
                [key] = value,
            },
        });

        Assert.Equal(78, await watcher.Ended());
        Assert.Contains(named, Assert.Single(watcher.Log.Trim().Split('\n')), StringComparison.Ordinal);
    }
}
