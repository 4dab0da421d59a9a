using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Faults;

/// <summary>pod-watcher and expiry as processes, while the Kubernetes API works and Postgres does not.</summary>
public sealed class PostgresFaultsTests
{
    private const int Pods = 40;

    private const string Recording = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";

    [Fact]
    public async Task Every_refusal_of_Postgres_is_outlived_without_new_lists_and_everything_is_recorded_afterwards()
    {
        await using var cluster = await ScriptedCluster.Start();
        var watcher = await cluster.StartService("PodWatcher");
        var expiry = await cluster.StartService("Expiry", "readyz", ("Kuik:ExpiryDelay", "00:00:01"));
        AddPods(cluster, "at-first");
        await cluster.UsageIsRight();
        var lists = cluster.Kubernetes.Requests("list", "pods");

        foreach (var fault in PostgresFault.All)
        {
            await fault.Begin(cluster);
            AddPods(cluster, fault.Name.Replace(' ', '-'));
            cluster.Kubernetes.RemovePod("apps", $"{fault.Name.Replace(' ', '-')}-0");
            await WatchesGoOn(cluster);
            await fault.End(cluster);
            await cluster.UsageIsRight(TimeSpan.FromSeconds(90));

            Assert.False(watcher.Process.HasExited, $"pod-watcher has ended ({fault.Name})\n{Tail(watcher)}");
            Assert.False(expiry.Process.HasExited, $"expiry has ended ({fault.Name})\n{Tail(expiry)}");
        }

        // A list of its own may be needed where a term of the leader ended; one for each try, as before, is not.
        Assert.InRange(cluster.Kubernetes.Requests("list", "pods") - lists, 0, PostgresFault.All.Count);
        await Eventually.True(async () =>
            (await ScriptedCluster.Readiness(watcher)).StartsWith("Healthy", StringComparison.Ordinal), "pod-watcher is ready again");
        await Eventually.True(async () =>
            (await ScriptedCluster.Readiness(expiry)).StartsWith("Healthy", StringComparison.Ordinal), "expiry is ready again");
    }

    [Fact]
    public async Task Events_bear_the_right_time_in_a_database_of_another_time_zone()
    {
        await using var cluster = await ScriptedCluster.Start();
        await cluster.ExecuteBeside("alter database \"DATABASE\" set timezone = 'Asia/Tokyo'");
        await cluster.StartService("PodWatcher");
        cluster.Kubernetes.AddPod("apps", "web", "nginx");
        await cluster.UsageIsRight();

        var isRight = await cluster.Execute("select bool_and(abs(extract(epoch from now() - timestamp)) < 600)::text from kuik.mt_events");

        Assert.Equal("true", isRight);
    }

    [Fact]
    public async Task A_pod_watcher_that_is_killed_while_it_records_records_each_pod_once()
    {
        await using var cluster = await ScriptedCluster.Start();
        var first = await cluster.StartService("PodWatcher");
        await PostgresFault.Slow.Begin(cluster);
        AddPods(cluster, "web");
        await Eventually.True(async () => await cluster.Execute(Recording) != "0", "pods are being recorded");

        first.Kill();
        await PostgresFault.Slow.End(cluster);
        await cluster.StartService("PodWatcher");
        await cluster.UsageIsRight();

        Assert.Equal(Pods, await cluster.Count("PodObserved"));
    }

    private static void AddPods(ScriptedCluster cluster, string name)
    {
        for (var i = 0; i < Pods; i++)
            cluster.Kubernetes.AddPod("apps", $"{name}-{i}", $"registry.example/team/app-{i % 10}:1", "docker.io/library/sidecar:1");
    }

    /// <summary>Waits while the replica renews its Lease a few times: as long as it tries, and fails, to record.</summary>
    private static async Task WatchesGoOn(ScriptedCluster cluster)
    {
        var renewed = cluster.Kubernetes.Requests("update", "leases");
        await Eventually.True(() => cluster.Kubernetes.Requests("update", "leases") >= renewed + 8,
            "the Lease is renewed while Postgres refuses");
    }

    private static string Tail(KuikService service) => string.Join('\n', service.Log.Split('\n').TakeLast(30));
}
