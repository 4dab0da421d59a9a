using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.IntegrationTests.EventLog;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>Images that the pod templates of workloads keep: pod-watcher and expiry as processes, a scripted API, a real
/// Postgres.</summary>
public sealed class WorkloadsTests
{
    private const string Reasons =
        "select string_agg(data->>'reason', ' ' order by data->>'reason') from kuik.mt_events where type = 'WorkloadGone'";

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static readonly string[] Kinds = ["CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"];

    [Fact]
    public async Task A_deployment_scaled_to_zero_keeps_its_image_past_the_delay_and_loses_it_when_it_is_deleted()
    {
        await using var cluster = await WorkloadCluster.Start();
        cluster.Apply("Deployment", "web", "nginx:1.27");
        await cluster.StartWatcher();
        await cluster.StartExpiry();
        await cluster.Uses("Deployment/web nginx:1.27");

        await cluster.Used("nginx:1.27", "redis:8");
        await cluster.Expired("redis:8");

        await cluster.Kept("nginx:1.27");
        await Eventually.True(() => UsedBy(cluster, "nginx:1.27")?["count"]?.GetValue<int>() == 0, "its pod is gone");
        Assert.Equal("1", UsedBy(cluster, "nginx:1.27")!["workloadCount"]!.ToJsonString());
        Assert.Equal(
            """[{"kind":"Deployment","namespacedName":"apps/web"}]""", UsedBy(cluster, "nginx:1.27")!["workloads"]!.ToJsonString());
        cluster.Delete("Deployment", "web");
        await cluster.Expired("nginx:1.27");
        Assert.Equal("Deleted", await cluster.Log.Execute(Reasons));
    }

    [Fact]
    public async Task Each_kind_of_workload_keeps_the_image_of_its_template_until_it_is_deleted()
    {
        await using var cluster = await WorkloadCluster.Start();
        foreach (var kind in Kinds)
            cluster.Apply(kind, "it", ImageOf(kind));
        var watcher = await cluster.StartWatcher();
        await cluster.StartExpiry();
        await cluster.Uses([.. Kinds.Select(kind => $"{kind}/it {ImageOf(kind)}")]);
        await cluster.Used([.. Kinds.Select(ImageOf), "redis:8"]);
        await cluster.Expired("redis:8");
        await cluster.Kept([.. Kinds.Select(ImageOf)]);

        // Half of them while the watch runs, half while nothing does.
        foreach (var kind in Kinds[..3])
            cluster.Delete(kind, "it");
        foreach (var kind in Kinds[..3])
            await cluster.Expired(ImageOf(kind));
        await watcher.Stop();
        foreach (var kind in Kinds[3..])
            cluster.Delete(kind, "it");
        await watcher.Restart();

        foreach (var kind in Kinds[3..])
            await cluster.Expired(ImageOf(kind));
        Assert.Equal("Absent Absent Absent Deleted Deleted Deleted", await cluster.Log.Execute(Reasons));
    }

    [Fact]
    public async Task A_replica_set_that_is_kept_for_a_rollback_keeps_the_image_before()
    {
        await using var cluster = await WorkloadCluster.Start();
        cluster.Apply("Deployment", "web", "app:1");
        cluster.Apply("ReplicaSet", "web-1", "app:1");
        await cluster.StartWatcher();
        await cluster.StartExpiry();
        await cluster.Uses("Deployment/web app:1", "ReplicaSet/web-1 app:1");

        cluster.Apply("Deployment", "web", "app:2");
        cluster.Apply("ReplicaSet", "web-2", "app:2");
        await cluster.Uses("Deployment/web app:2", "ReplicaSet/web-1 app:1", "ReplicaSet/web-2 app:2");
        await cluster.Used("app:1", "app:2", "redis:8");
        await cluster.Expired("redis:8");
        await cluster.Kept("app:1", "app:2");
        cluster.Delete("ReplicaSet", "web-1");

        await cluster.Expired("app:1");
        await cluster.Kept("app:2");
    }

    [Fact]
    public async Task A_template_requests_no_image_and_keeps_one_that_a_person_asked_for()
    {
        await using var cluster = await WorkloadCluster.Start();
        cluster.Apply("CronJob", "nightly", "nginx:1.27");
        cluster.Apply("CronJob", "weekly", "busybox:1.36");
        await cluster.StartWatcher();
        await cluster.StartExpiry();
        await cluster.Uses("CronJob/nightly nginx:1.27", "CronJob/weekly busybox:1.36");

        cluster.Kubernetes.Apply(ResourceOf("busybox:1.36"), """{"spec":{"sourceImage":"busybox:1.36"}}""");
        cluster.Kubernetes.Apply(ResourceOf("redis:8"), """{"spec":{"sourceImage":"redis:8"}}""");
        await cluster.Expired("redis:8");

        await cluster.Kept("busybox:1.36");
        Assert.Equal((1, 0),
            (await cluster.Count("RequestedByPerson", "busybox:1.36"), await cluster.Count("ImageUnused", "busybox:1.36")));
        Assert.Equal("0", await cluster.Log.Execute("select count(*) from kuik.mt_streams where id like 'image/%nginx%'"));
        Assert.Null(cluster.Kubernetes.Find(ResourceOf("nginx:1.27")));
    }

    [Fact]
    public async Task An_image_that_waits_for_its_expiry_is_used_again_when_a_template_names_it()
    {
        await using var cluster = await WorkloadCluster.Start();
        await cluster.StartWatcher();
        await cluster.Used("nginx:1.27");
        await using var expiry = await LogHost.Start("expiry", cluster.Log.Database);
        const string Nginx = "docker.io/library/nginx:1.27";
        var since = DateTimeOffset.UtcNow.AddHours(1);
        await expiry.Transactions.Execute(
            async log => (await log.ReadImage(Nginx, Stop)).Append(new ImageUnused(Nginx, since, since)), Stop);

        cluster.Apply("Job", "once", "nginx:1.27");

        await Eventually.True(async () => await cluster.Count("ImageUsedAgain", "nginx:1.27") == 1, "it is used again");
        Assert.Equal("Job", await cluster.Log.Execute("select data->>'workloadKind' from kuik.mt_events where type = 'ImageUsedAgain'"));
    }

    [Fact]
    public async Task Switched_off_all_uses_by_workloads_end_and_switched_on_again_they_are_observed_again()
    {
        await using var cluster = await WorkloadCluster.Start();
        cluster.Apply("Deployment", "web", "nginx:1.27");
        cluster.Apply("CronJob", "nightly", "busybox:1.36");
        var all = await cluster.StartWatcher();
        await cluster.Uses("CronJob/nightly busybox:1.36", "Deployment/web nginx:1.27");
        await cluster.Used("nginx:1.27", "busybox:1.36");
        await all.Stop();

        var one = await cluster.StartWatcher("Deployment");
        await cluster.Uses("Deployment/web nginx:1.27");
        Assert.Equal("NotFollowed", await cluster.Log.Execute(Reasons));
        await one.Stop();
        await all.Restart();
        await cluster.Uses("CronJob/nightly busybox:1.36", "Deployment/web nginx:1.27");
        await all.Stop();

        await cluster.StartWatcher("none");
        await cluster.StartExpiry();
        await cluster.Uses();
        await cluster.Expired("nginx:1.27");
        await cluster.Expired("busybox:1.36");
    }

    private static string ImageOf(string kind) => kind.ToLowerInvariant() + ":1";

    private static string ResourceOf(string image) =>
        $"apis/{Names.Group}/{Names.Version}/cachedimages/{ObjectName.Of(ImageReference.Parse(image))}";

    private static JsonNode? UsedBy(WorkloadCluster cluster, string image) =>
        cluster.Kubernetes.Find(ResourceOf(image))?["status"]?["usedBy"];
}
