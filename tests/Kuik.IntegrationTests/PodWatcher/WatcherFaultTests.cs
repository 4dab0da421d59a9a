using Kuik.Contracts;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>pod-watcher while Postgres or the Kubernetes API misbehaves: a real Postgres that is made to refuse, and a scripted
/// API.</summary>
public sealed class WatcherFaultTests
{
    private const string Images = "apis/kuik.enix.io/v1alpha1/cachedimages";

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public static TheoryData<string> Refusals => ["full disk", "read-only", "no connections"];

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task While_postgres_refuses_nothing_is_listed_again_and_afterwards_every_pod_is_recorded(string name)
    {
        var fault = PostgresFault.All.Single(candidate => candidate.Name == name);
        await using var cluster = await ScriptedCluster.Start();
        for (var i = 0; i < 60; i++)
            cluster.Kubernetes.AddPod("apps", $"before-{i}", $"app-{i % 7}:1");
        var watcher = await cluster.StartService("PodWatcher");
        await cluster.UsageIsRight();

        await fault.Begin(cluster);
        for (var i = 0; i < 60; i++)
            cluster.Kubernetes.AddPod("apps", $"meanwhile-{i}", $"app-{i % 9}:1");
        for (var i = 0; i < 20; i++)
            cluster.Kubernetes.RemovePod("apps", $"before-{i}");
        await Eventually.True(async () => (await ScriptedCluster.Readiness(watcher)).Contains("not up to date", StringComparison.Ordinal),
            "readiness says so");
        var causes = await ScriptedCluster.Readiness(watcher);
        await fault.End(cluster);

        await cluster.UsageIsRight(TimeSpan.FromMinutes(3));
        Assert.False(watcher.Process.HasExited);
        Assert.Equal((1, 1), (cluster.Kubernetes.Requests("list", "pods"), cluster.Kubernetes.Requests("list", "cachedimages")));
        Assert.True(Attempts(watcher) <= 40, $"{Attempts(watcher)} lines of warnings");
        Assert.DoesNotContain("   at ", watcher.Log, StringComparison.Ordinal);
        if (name == "full disk")
            Assert.Contains("No space left on device", causes, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_API_that_refuses_events_holds_up_nothing_and_is_named_once()
    {
        await using var cluster = await ScriptedCluster.Start();
        cluster.Kubernetes.Script = request =>
            request.Resource == "events" ? ScriptedAnswers.Refuse(403, "Forbidden", "events is forbidden") : null;
        var watcher = await cluster.StartService("PodWatcher");
        for (var i = 0; i < 3; i++)
            cluster.Kubernetes.AddPod("apps", $"web-{i}", $"nginx:{i}");
        await cluster.UsageIsRight();
        for (var i = 0; i < 3; i++)
        {
            var (image, now) = ($"docker.io/library/nginx:{i}", DateTimeOffset.UtcNow);
            await Watchers.AppendTo(
                cluster.Database, image, new ImageFetchStarted(image, "fetcher", now.AddMinutes(2), now) { Attempt = 1 },
                new ImageFetchFailed(image, "refused", "docker.io refused access", false, now.AddHours(1), now) { Attempt = 1 });
        }

        await Eventually.True(() => cluster.Kubernetes.List(Images)
            .Count(item => (string?)item["status"]?["phase"] == "ErrImagePull") == 3, "the resources say so");
        await Eventually.True(() => cluster.Kubernetes.Requests("create", "events") >= 3, "Events are tried");
        Assert.Single(watcher.Log.Split('\n'), line => line.Contains("events is forbidden", StringComparison.Ordinal));
        Assert.DoesNotContain("not up to date", await Watchers.Readiness(watcher), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Resources_that_the_api_refuses_keep_no_other_waiting_and_are_not_asked_for_all_the_time()
    {
        await using var cluster = await ScriptedCluster.Start();
        cluster.Kubernetes.Script = request =>
            request is { Verb: "patch", Resource: "cachedimages", Name: { } name } && name.Contains("bad", StringComparison.Ordinal)
            ? ScriptedAnswers.Refuse(403, "Forbidden")
            : null;
        for (var i = 0; i < 100; i++)
            cluster.Kubernetes.AddPod("apps", $"bad-{i}", $"bad-{i}:1");
        for (var i = 0; i < 200; i++)
            cluster.Kubernetes.AddPod("apps", $"good-{i}", $"good-{i}:1");

        var watcher = await cluster.StartService("PodWatcher", "healthz");

        await Eventually.True(() => cluster.Kubernetes.Count(Images) == 200, "all others are written", TimeSpan.FromMinutes(2));
        await Eventually.True(
            async () => (await ScriptedCluster.Readiness(watcher)).Contains("100 CachedImages not up to date", StringComparison.Ordinal),
            "the refused ones are named");
        var refused = Refused(cluster);
        Assert.All(refused.GroupBy(request => request.Name),
            calls => Assert.InRange(calls.Count(), 1, Most(calls.Max(call => call.At) - calls.Min(call => call.At))));

        // 0, 1, 3, 7 … seconds, each between half and all of it.
        static int Most(TimeSpan over) => 2 + (int)Math.Log2(1 + (2 * over.TotalSeconds));
    }

    [Fact]
    public async Task A_write_that_is_answered_with_429_is_not_repeated_before_the_time_it_names()
    {
        await using var cluster = await ScriptedCluster.Start();
        cluster.Kubernetes.Script = request => request is { Verb: "patch", Resource: "cachedimages", Count: 0 }
            ? ScriptedAnswers.Refuse(429, "TooManyRequests", retryAfter: TimeSpan.FromSeconds(6))
            : null;
        cluster.Kubernetes.AddPod("apps", "web", "nginx:1.27");

        await cluster.StartService("PodWatcher", "healthz");

        await Eventually.True(() => cluster.Kubernetes.Count(Images) == 1, "it is written", TimeSpan.FromMinutes(1));
        var writes = cluster.Kubernetes.Ledger.Where(request => request is { Verb: "patch", Resource: "cachedimages", Subresource: null })
            .ToList();
        Assert.True(writes[1].At - writes[0].At >= TimeSpan.FromSeconds(5.9));
    }

    [Fact]
    public async Task An_empty_list_ends_no_use_until_a_later_list_is_empty_too()
    {
        await using var cluster = await ScriptedCluster.Start();
        for (var i = 0; i < 5; i++)
            cluster.Kubernetes.AddPod("apps", $"web-{i}", "nginx:1.27");
        var watcher = await cluster.StartService("PodWatcher", "healthz");   // not ready while the watch waits
        await cluster.UsageIsRight();
        await watcher.Stop();
        var lists = cluster.Kubernetes.Requests("list", "pods");
        var isLookedAt = new TaskCompletionSource();
        cluster.Kubernetes.Script = request => request switch
        {
            { Verb: "list", Resource: "pods" } when request.Count == lists =>
                ScriptedAnswers.Say(200, """{"metadata":{"resourceVersion":"1"},"items":[]}""", "application/json"),
            { Verb: "watch", Resource: "pods" } => ScriptedAnswers.StallInHeaders(isLookedAt.Task),   // it would bring them back at once
            _ => null,
        };

        await watcher.Restart();

        await Eventually.True(() => watcher.Log.Contains("a second list confirms 0 of them", StringComparison.Ordinal),
            "it is looked at again");
        isLookedAt.SetResult();
        cluster.Kubernetes.AddPod("apps", "later", "redis:8");
        await cluster.UsageIsRight();
        Assert.Equal(0, await cluster.Count("PodGone"));
        await Eventually.True(async () => (await ScriptedCluster.Readiness(watcher))
            .Contains("last complete observation", StringComparison.Ordinal), "it is complete again");
    }

    [Fact]
    public async Task A_cluster_that_is_empty_in_two_lists_uses_nothing()
    {
        await using var cluster = await ScriptedCluster.Start();
        for (var i = 0; i < 5; i++)
            cluster.Kubernetes.AddPod("apps", $"web-{i}", "nginx:1.27");
        var watcher = await cluster.StartService("PodWatcher");
        await cluster.UsageIsRight();
        await watcher.Stop();
        for (var i = 0; i < 5; i++)
            cluster.Kubernetes.RemovePod("apps", $"web-{i}");

        await watcher.Restart();

        await cluster.UsageIsRight();
        Assert.Equal(5, await cluster.Count("PodGone"));
        Assert.Equal("Absent", await cluster.Execute("select distinct data->>'reason' from kuik.mt_events where type = 'PodGone'"));
    }

    [Fact]
    public async Task A_stalled_list_of_live_pods_ends_for_those_who_wait_and_the_next_one_is_another()
    {
        await using var kubernetes = await ScriptedKubernetes.Start();
        var uid = kubernetes.AddPod("apps", "web", "nginx:1.27");
        var never = new TaskCompletionSource();
        kubernetes.Script = request => request is { Verb: "list", Resource: "pods", Count: 0 }
            ? ScriptedAnswers.StallAfter(20, never.Task)
            : null;
        var limits = new KubernetesLimits(TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2), TimeSpan.FromMinutes(1));
        var api = new Kubernetes.KubernetesApi(KubernetesAccess.Connect(kubernetes.Kubeconfig), limits);
        var live = new LiveUserLister(api, new WatchedKinds(new WatcherOptions("kuik-system", [7439], TimeSpan.FromSeconds(15))));

        var first = live.List(Stop);
        await Eventually.True(() => kubernetes.Requests("list", "pods") == 1, "it lists");
        var second = live.List(Stop);

        await Assert.ThrowsAsync<HttpRequestException>(() => first);
        var pods = await second;
        Assert.Equal([uid], pods.UidsByImage["docker.io/library/nginx:1.27"]);
        Assert.NotEmpty(pods.ResourceVersion);
        never.SetResult();
    }

    private static IReadOnlyList<ScriptedRequest> Refused(ScriptedCluster cluster) =>
        [.. cluster.Kubernetes.Ledger.Where(request => request is { Verb: "patch", Resource: "cachedimages" }
            && request.Name!.Contains("bad", StringComparison.Ordinal))];

    private static int Attempts(KuikService watcher) =>
        watcher.Log.Split('\n').Count(line => line.Contains(" WARN ", StringComparison.Ordinal));
}
