using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>Workloads as users while the Kubernetes API refuses their kind, or answers a wrong list.</summary>
public sealed class WorkloadFaultsTests
{
    [Fact]
    public async Task A_kind_that_the_api_refuses_ends_no_use_of_it_and_the_other_kinds_go_on()
    {
        await using var cluster = await WorkloadCluster.Start();
        cluster.Apply("CronJob", "nightly", "busybox:1.36");
        cluster.Apply("Deployment", "web", "nginx:1.27");
        var watcher = await cluster.StartWatcher();
        await cluster.Uses("CronJob/nightly busybox:1.36", "Deployment/web nginx:1.27");
        await cluster.Used("nginx:1.27", "busybox:1.36", "redis:8");
        await watcher.Stop();
        cluster.Kubernetes.Script = request => request.Resource == "cronjobs" ? ScriptedAnswers.Refuse(403, "Forbidden") : null;
        cluster.Delete("CronJob", "nightly");
        cluster.Apply("CronJob", "unseen", "redis:8");

        watcher = await cluster.StartWatcher(waitFor: "healthz");
        await cluster.StartExpiry();
        cluster.Delete("Deployment", "web");
        cluster.Apply("Deployment", "other", "nginx:1.28");
        cluster.Kubernetes.AddPod("apps", "meanwhile", "alpine:3");
        await cluster.Uses("CronJob/nightly busybox:1.36", "Deployment/other nginx:1.28");
        await cluster.Log.UsageIsRight();
        await Eventually.True(async () => await cluster.Count("ImageUnused", "redis:8") == 1, "its delay has begun");
        var tries = cluster.Kubernetes.Requests("list", "cronjobs");
        await Eventually.True(() => cluster.Kubernetes.Requests("list", "cronjobs") > tries, "the kind is asked for again");
        var whileRefused = await cluster.Log.Count("ImageExpired");
        var said = await ScriptedCluster.Readiness(watcher);
        cluster.Kubernetes.Script = _ => null;

        await cluster.Uses("CronJob/unseen redis:8", "Deployment/other nginx:1.28");
        await cluster.Expired("nginx:1.27");
        await cluster.Expired("busybox:1.36");
        Assert.Equal(0, whileRefused);
        Assert.Contains("cronjobs: GET /apis/batch/v1/cronjobs: 403", said, StringComparison.Ordinal);
        await cluster.Kept("redis:8", "alpine:3");
    }

    [Fact]
    public async Task A_list_that_lacks_workloads_ends_no_use_until_a_second_list_lacks_them_too()
    {
        await using var cluster = await WorkloadCluster.Start();
        for (var i = 0; i < 5; i++)
            cluster.Apply("Deployment", $"web-{i}", $"app-{i}:1");
        cluster.Apply("Job", "once", "nginx:1.27");
        string[] uses = [.. Enumerable.Range(0, 5).Select(i => $"Deployment/web-{i} app-{i}:1"), "Job/once nginx:1.27"];
        var watcher = await cluster.StartWatcher();
        await cluster.Uses(uses);
        await watcher.Stop();
        var lists = cluster.Kubernetes.Requests("list", "deployments");
        var isSaid = new TaskCompletionSource();
        cluster.Kubernetes.Script = request => request switch
        {
            { Verb: "list", Resource: "deployments" } when request.Count == lists =>
                ScriptedAnswers.Say(200, """{"metadata":{"resourceVersion":"1"},"items":[]}""", "application/json"),
            { Verb: "watch", Resource: "deployments" } => ScriptedAnswers.StallInHeaders(isSaid.Task),   // it would bring them back at once
            _ => null,
        };

        watcher = await cluster.StartWatcher(waitFor: "healthz");

        const string Said = "5 of 5 known deployments were missing; a second list confirms 0 of them";
        await Eventually.True(() => watcher.Log.Contains(Said, StringComparison.Ordinal), "it is looked at again");
        isSaid.SetResult();
        cluster.Delete("Deployment", "web-4");
        await cluster.Uses([.. uses.Where(use => use != "Deployment/web-4 app-4:1")]);
        Assert.Equal(1, await cluster.Log.Count("WorkloadGone"));
    }

    [Fact]
    public async Task An_image_that_a_workload_names_by_the_live_list_does_not_expire_whatever_the_usage_table_says()
    {
        await using var cluster = await WorkloadCluster.Start();
        cluster.Apply("StatefulSet", "db", "postgres:17");
        await cluster.StartWatcher();
        await cluster.Uses("StatefulSet/db postgres:17");
        await cluster.Used("postgres:17");

        await cluster.Log.Execute("delete from kuik.image_users");   // as if it had never been recorded
        await cluster.StartExpiry();

        await Eventually.True(async () => await cluster.Count("ImageUsedAgain", "postgres:17") >= 1, "it is used again");
        await cluster.Kept("postgres:17");
    }

    [Fact]
    public async Task While_the_live_list_of_a_kind_fails_nothing_expires()
    {
        await using var cluster = await WorkloadCluster.Start();
        var watcher = await cluster.StartWatcher();
        await cluster.Used("redis:8");
        cluster.Kubernetes.Script = request =>
            request is { Verb: "list", Resource: "jobs" } ? ScriptedAnswers.Refuse(500, "InternalError") : null;

        await cluster.StartExpiry();
        const string Said = "no image expires until this is over: GET /apis/batch/v1/jobs";
        await Eventually.True(() => watcher.Log.Contains(Said, StringComparison.Ordinal), "it is put off");
        var meanwhile = await cluster.Log.Count("ImageExpired");
        cluster.Kubernetes.Script = _ => null;

        await cluster.Expired("redis:8");
        Assert.Equal(0, meanwhile);
    }
}
