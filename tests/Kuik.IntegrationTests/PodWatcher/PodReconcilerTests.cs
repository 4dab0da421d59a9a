using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>Pods of a real Kubernetes API become facts in a real log.</summary>
[Collection(nameof(Cluster))]
public sealed class PodReconcilerTests(Cluster cluster)
{
    private const string Nginx = "image/docker.io/library/nginx:1.27";

    [Fact]
    public async Task A_labelled_pod_is_observed_its_image_requested_and_shown()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();

        var uid = await watchers.Pod("web", "nginx:1.27");

        await Eventually.True(async () => (await watchers.Events()).Contains($"{Nginx} ImageNamed"), "the image has a name");
        Assert.Equal([$"{Nginx} RequestedByPod", $"pod/{uid} PodObserved", $"{Nginx} ImageNamed"],
            (await watchers.Events()).OrderByDescending(e => e.EndsWith("Named", StringComparison.Ordinal) ? 0 : 1)
                .ThenByDescending(e => e.Contains("RequestedByPod", StringComparison.Ordinal)));
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.phase", "Synchronizing");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.pods[*].namespacedName", "apps/web");
        Assert.Equal("nginx:1.27", await watchers.Field("docker.io-library-nginx-1.27", ".spec.sourceImage"));
        Assert.Equal("docker.io-library-nginx",
            await watchers.Field("docker.io-library-nginx-1.27", ".metadata.labels.kuik\\.enix\\.io/repository"));
        Assert.Equal("", await watchers.Field("docker.io-library-nginx-1.27", ".metadata.finalizers"));
    }

    [Fact]
    public async Task The_columns_are_v1s_and_more_when_asked_for_widely()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "1");

        var table = (await cluster.Api.Kubectl("get", "cachedimages")).Split('\n');
        var wide = (await cluster.Api.Kubectl("get", "ci", "-o", "wide")).Split('\n');

        Assert.Equal(["NAME", "STATUS", "CACHED", "RETAIN", "EXPIRES AT", "PODS COUNT", "AGE"], Columns(table[0]));
        Assert.Equal(["docker.io-library-nginx-1.27", "Synchronizing", "false", "1"], Columns(table[1])[..4]);
        Assert.Equal([.. Columns(table[0]), "SIZE", "DIGEST", "IMAGE", "NEXT RETRY", "LAST ERROR"], Columns(wide[0]));
    }

    [Fact]
    public async Task Twenty_pods_of_one_image_request_it_once_and_are_all_counted()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();

        await Task.WhenAll(Enumerable.Range(1, 20).Select(i => watchers.Pod($"web-{i}", "nginx:1.27")));

        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "20");
        Assert.Equal(20, await watchers.Count("PodObserved"));
        Assert.Equal(1, await watchers.Count("RequestedByPod"));
    }

    [Fact]
    public async Task Where_runtimes_pull_through_a_mirror_every_pod_that_has_not_opted_out_is_followed()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start(more: ("Kuik:FollowedPods", "all"));

        await Plain("plain", "nginx:1.27", "\"app\":\"web\"");
        await Plain("out", "redis:8", "\"kube-image-keeper.enix.io/image-caching-policy\":\"ignore\"");
        await watchers.Pod("rewritten", "busybox:1.36");

        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.pods[*].namespacedName", "apps/plain");
        await watchers.Shows("docker.io-library-busybox-1.36", ".status.usedBy.pods[*].namespacedName", "apps/rewritten");
        Assert.Equal("nginx:1.27", await watchers.Field("docker.io-library-nginx-1.27", ".spec.sourceImage"));
        Assert.Equal(2, await watchers.Count("PodObserved"));

        Task Plain(string name, string image, string label) => cluster.Api.Apply(
            $$"""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"{{name}}","namespace":"apps","labels":{ {{label}} } },"spec":{"containers":[{"name":"c","image":"{{image}}"}]} }""");
    }

    [Fact]
    public async Task A_restart_records_nothing_and_writes_nothing()
    {
        await using var watchers = await Watchers.In(cluster);
        var watcher = await watchers.Start();
        await watchers.Pod("web", "nginx:1.27", "busybox:1.36");
        await watchers.Pod("db", "postgres:17");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "1");
        await watchers.Shows("docker.io-library-postgres-17", ".status.usedBy.count", "1");
        await watchers.Shows("docker.io-library-busybox-1.36", ".status.usedBy.count", "1");
        var (events, versions) = (await watchers.Events(), await Versions());

        await watcher.Stop();
        await watcher.Restart();

        // A pod made after the restart shows that everything before it has been looked at.
        await watchers.Pod("later", "redis:8");
        await watchers.Shows("docker.io-library-redis-8", ".status.usedBy.count", "1");
        Assert.Equal(events, (await watchers.Events()).Take(events.Count));
        Assert.Equal(events.Count + 3, (await watchers.Events()).Count);
        Assert.Equal(versions, (await Versions()).Where(v => !v.Contains("redis", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_pod_deleted_while_the_watcher_was_down_is_gone_when_it_is_back()
    {
        await using var watchers = await Watchers.In(cluster);
        var watcher = await watchers.Start();
        var uid = await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "1");
        watcher.Kill();
        await watchers.DeletePod("web");

        await watcher.Restart();

        await Eventually.True(async () => await watchers.Count("PodGone", $"pod/{uid}") == 1, "the pod is recorded as gone");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "0");
        Assert.Equal(1, await watchers.Count("PodObserved"));
    }

    [Fact]
    public async Task Many_pods_that_are_missing_at_once_are_gone_when_a_second_list_lacks_them_too()
    {
        await using var watchers = await Watchers.In(cluster);
        var watcher = await watchers.Start();
        await Task.WhenAll(Enumerable.Range(1, 12).Select(i => watchers.Pod($"web-{i}", "nginx:1.27")));
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "12");
        watcher.Kill();
        await cluster.Api.Kubectl("delete", "pods", "-n", "apps", "--all", "--grace-period=0", "--force");

        await watcher.Restart();

        await Eventually.True(async () => await watchers.Count("PodGone") == 12, "all pods are recorded as gone");
        Assert.Contains("12 of 12 known pods were missing; a second list confirms 12 of them", watcher.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_log_of_another_cluster_is_left_alone()
    {
        await using var watchers = await Watchers.In(cluster);
        var watcher = await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "1");
        watcher.Kill();
        await watchers.DeletePod("web");
        await watchers.Execute("""update kuik.mt_doc_clusteridentity set data = jsonb_set(data, '{namespaceUid}', '"another"')""");

        var other = await watchers.Start(waitFor: "healthz");

        await Eventually.True(() => other.Log.Contains("the event log belongs to another cluster", StringComparison.Ordinal), "it is said");
        await Eventually.True(async () => (await Watchers.Readiness(other)).Contains("another cluster", StringComparison.Ordinal),
            "readiness says so too");
        Assert.Equal(0, await watchers.Count("PodGone"));
    }

    [Fact]
    public async Task An_outage_of_the_kubernetes_api_changes_nothing_and_afterwards_it_goes_on()
    {
        await using var watchers = await Watchers.In(cluster);
        var watcher = await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "1");
        var before = (await watchers.Events()).Count;

        await cluster.Api.Stop();
        await Eventually.True(() => watcher.Log.Contains(" WARN ", StringComparison.Ordinal), "the outage is said");
        await cluster.Api.Restart();
        await watchers.Pod("later", "redis:8");

        await watchers.Shows("docker.io-library-redis-8", ".status.usedBy.count", "1");
        Assert.Equal(before + 3, (await watchers.Events()).Count);
        Assert.DoesNotContain("   at ", watcher.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pod_counts_until_it_is_really_gone()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "1");
        await cluster.Api.Kubectl("patch", "pod", "-n", "apps", "web", "-p", """{"metadata":{"finalizers":["example.org/hold"]}}""");

        await cluster.Api.Kubectl("delete", "pod", "-n", "apps", "web", "--grace-period=0", "--force", "--wait=false");
        await watchers.Pod("other", "redis:8");
        await watchers.Shows("docker.io-library-redis-8", ".status.usedBy.count", "1");
        var whileTerminating = await watchers.Count("PodGone");
        await cluster.Api.Kubectl("patch", "pod", "-n", "apps", "web", "-p", """{"metadata":{"finalizers":null}}""");

        Assert.Equal(0, whileTerminating);
        await Eventually.True(async () => await watchers.Count("PodGone") == 1, "the pod is recorded as gone");
    }

    [Fact]
    public async Task Pull_secrets_are_the_pods_own_and_then_its_accounts()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await cluster.Api.Apply(
            """{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"puller","namespace":"apps"},"automountServiceAccountToken":false}""");
        await cluster.Api.Apply("""
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"apps","labels":{"kuik.enix.io/managed":"true"},"annotations":{"original-image-web":"nginx:1.27"}},
             "spec":{"serviceAccountName":"puller","imagePullSecrets":[{"name":"own"}],"containers":[{"name":"web","image":"localhost:7439/nginx:1.27"}]}}
            """);
        await Eventually.True(async () => await Secrets() == "own", "the pod's own secret is recorded");

        await cluster.Api.Kubectl("patch", "serviceaccount", "-n", "apps", "puller", "-p", """{"imagePullSecrets":[{"name":"lent"}]}""");

        await Eventually.True(async () => await Secrets() == "own,lent", "the account's secret is recorded behind it");

        async Task<string> Secrets() =>
            await watchers.Execute("select array_to_string(pull_secrets, ',') from kuik.image_users") as string ?? "";
    }

    [Fact]
    public async Task A_pod_whose_label_is_taken_off_and_given_back_is_in_use_again()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "1");

        await cluster.Api.Kubectl("label", "pod", "-n", "apps", "web", "kuik.enix.io/managed-");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "0");
        await cluster.Api.Kubectl("label", "pod", "-n", "apps", "web", "kuik.enix.io/managed=true");

        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "1");
        Assert.Equal((2, 1), (await watchers.Count("PodObserved"), await watchers.Count("PodGone")));
        Assert.Equal("LabelRemoved", await watchers.Execute("select data->>'reason' from kuik.mt_events where type = 'PodGone'"));
        await watchers.DeletePod("web");
        await Eventually.True(async () => await watchers.Count("PodGone") == 2, "its end is recorded");
        Assert.Equal("Deleted",
            await watchers.Execute("select data->>'reason' from kuik.mt_events where type = 'PodGone' order by seq_id desc limit 1"));
    }

    [Fact]
    public async Task A_pod_that_is_followed_no_more_and_then_again_by_a_setting_is_in_use_again()
    {
        await using var watchers = await Watchers.In(cluster);
        var all = await watchers.Start(more: ("Kuik:FollowedPods", "all"));
        await cluster.Api.Apply(
            """{"apiVersion":"v1","kind":"Pod","metadata":{"name":"plain","namespace":"apps"},"spec":{"containers":[{"name":"c","image":"nginx:1.27"}]}}""");
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "1");
        await all.Stop();

        var managed = await watchers.Start();
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "0");
        await managed.Stop();
        await all.Restart();

        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "1");
        Assert.Equal("Absent", await watchers.Execute("select data->>'reason' from kuik.mt_events where type = 'PodGone'"));
    }

    [Fact]
    public async Task A_pod_is_recorded_with_its_top_controller_account_node_and_creation()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await cluster.Api.Apply("""
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"apps","labels":{"kuik.enix.io/managed":"true","pod-template-hash":"5d4f"},
              "annotations":{"original-image-c0":"nginx:1.27"},
              "ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-5d4f","uid":"11111111-1111-1111-1111-111111111111","controller":true}]},
             "spec":{"nodeName":"n1","containers":[{"name":"c0","image":"localhost:7439/nginx:1.27"}]}}
            """);
        await watchers.Shows("docker.io-library-nginx-1.27", ".status.usedBy.count", "1");

        Assert.Equal("Deployment web default n1",
            await watchers.Execute(
                "select concat_ws(' ', data->>'ownerKind', data->>'ownerName', data->>'serviceAccount', data->>'node') from kuik.mt_events "
                    + "where type = 'PodObserved'"));
        Assert.Equal(true, await watchers.Execute(
            "select data->>'createdAt' is not null and data->>'resourceVersion' is not null "
            + "from kuik.mt_events where type = 'PodObserved'"));
    }

    private async Task<IReadOnlyList<string>> Versions() =>
        [.. (await cluster.Api.Kubectl("get", "cachedimages", "-o",
            """jsonpath={range .items[*]}{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}""")).Trim().Split('\n')];

    private static string[] Columns(string line) =>
        [.. line.Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
}
