using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Faults;

/// <summary>pod-watcher and expiry as processes, while Postgres works and the Kubernetes API does not.</summary>
public sealed class KubernetesFaultsTests
{
    private const string Used = "registry.example/team/used:1";
    private const string Idle = "registry.example/team/idle:1";

    private static readonly (string, string?) AtOnce = ("Kuik:ExpiryDelay", "00:00:01");

    [Fact]
    public async Task Nothing_expires_while_service_accounts_are_forbidden_although_a_resource_is_deleted()
    {
        await using var cluster = await ScriptedCluster.Start();
        await UsedOnce(cluster);
        cluster.Kubernetes.Script = request => request.Resource == "serviceaccounts" ? ScriptedAnswers.Refuse(403, "Forbidden") : null;
        cluster.Kubernetes.AddPod("apps", "not-recorded", Used);

        await cluster.StartService("PodWatcher", "healthz", AtOnce);
        await cluster.StartService("Expiry", "readyz", AtOnce);
        cluster.Kubernetes.Delete(ResourceOf(Used));
        await Eventually.True(() => cluster.Kubernetes.Requests("list", "serviceaccounts") >= 5,
            "the list of ServiceAccounts is tried again and again");
        var whileForbidden = await cluster.Count("ImageExpired");
        cluster.Kubernetes.Script = _ => null;

        await Eventually.True(async () =>
            await cluster.Count("ImageExpired", StreamName.OfImage(Idle)) == 1, "what is not used expires when all is observed");
        Assert.Equal(0, whileForbidden);
        await cluster.UsageIsRight();
        Assert.Equal(0, await cluster.Count("ImageExpired", StreamName.OfImage(Used)));
    }

    [Fact]
    public async Task Nothing_expires_by_what_a_pod_watcher_in_another_cluster_does_not_see()
    {
        await using var cluster = await ScriptedCluster.Start();
        await UsedOnce(cluster);
        await using var other = await ScriptedKubernetes.Start();

        var stranger = await cluster.StartService("PodWatcher", "healthz", AtOnce, ("KUBECONFIG", other.Kubeconfig));
        await cluster.StartService("Expiry", "readyz", AtOnce);
        await Eventually.True(async () => await cluster.Count("ImageUnused") > 0, "the image is known to be unused");
        var asked = other.Requests("get", "namespaces");
        await Eventually.True(() => other.Requests("get", "namespaces") >= asked + 2, "it asks again and again which cluster this is");
        var byStranger = await cluster.Count("ImageExpired");
        Assert.Contains("another cluster", await ScriptedCluster.Readiness(stranger), StringComparison.Ordinal);
        stranger.Kill();
        await cluster.StartService("PodWatcher", "readyz", AtOnce);

        await Eventually.True(async () =>
            await cluster.Count("ImageExpired", StreamName.OfImage(Idle)) == 1, "what is not used expires by the right cluster");
        Assert.Equal(0, byStranger);
    }

    [Fact]
    public async Task Pods_are_recorded_through_lists_and_watches_that_break_off()
    {
        await using var cluster = await ScriptedCluster.Start();
        for (var i = 0; i < 700; i++)
            cluster.Kubernetes.AddPod("apps", $"web-{i}", Used);
        cluster.Kubernetes.Script = request => (request.Verb, request.Resource, request.Count) switch
        {
            ("list", "pods", 0) => request.IsFurtherPage ? ScriptedAnswers.BreakOffAfter(5000) : null,
            ("list", "pods", 1) => request.IsFurtherPage ? ScriptedAnswers.Refuse(410, "Expired")
                : ScriptedAnswers.Say(502, "<html>Bad Gateway</html>"),
            ("watch", "pods", 0) => ScriptedAnswers.ExpireWatch(),
            ("watch", "pods", 1) => ScriptedAnswers.EndWatch(),
            ("watch", "pods", 2) => ScriptedAnswers.BreakOffAfter(300),
            _ => null,
        };

        await cluster.StartService("PodWatcher", "healthz");
        await Eventually.True(() => cluster.Kubernetes.Requests("watch", "pods") == 3, "the watch that will break off is open");
        for (var i = 0; i < 20; i++)
            cluster.Kubernetes.RemovePod("apps", $"web-{i}");
        cluster.Kubernetes.AddPod("apps", "late", Idle);

        await cluster.UsageIsRight();
        Assert.Equal((701, 20), (await cluster.Count("PodObserved"), await cluster.Count("PodGone")));
    }

    /// <summary>Two images that a pod has used, of which the log knows no user any more; no service runs.</summary>
    private static async Task UsedOnce(ScriptedCluster cluster)
    {
        cluster.Kubernetes.AddPod("apps", "first", Used, Idle);
        var watcher = await cluster.StartService("PodWatcher");
        await cluster.UsageIsRight();
        await Eventually.True(() => Written(cluster) == 2, "both have their resources");
        cluster.Kubernetes.RemovePod("apps", "first");
        await cluster.UsageIsRight();
        await watcher.Stop();
    }

    private static int Written(ScriptedCluster cluster) =>
        cluster.Kubernetes.List($"apis/{Names.Group}/{Names.Version}/cachedimages")
            .Count(resource => resource["status"]?["phase"] is not null);

    private static string ResourceOf(string image) =>
        $"apis/{Names.Group}/{Names.Version}/cachedimages/{ObjectName.Of(ImageReference.Parse(image))}";
}
