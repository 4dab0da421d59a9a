using Kuik.Testing;
using Xunit;

namespace Kuik.ClusterTests;

[Collection(nameof(ClusterCollection))]
public sealed class InstallationTests(Cluster cluster)
{
    [Fact]
    public async Task Applying_it_again_changes_nothing_and_restarts_nothing()
    {
        await cluster.Kuik.Ready();
        var pods = await Pods();
        var authority = await Authority();

        await cluster.Kubernetes.Kubectl("apply", "-k", Installation.Overlay);
        var difference = await cluster.Kubernetes.TryKubectl(["diff", "-k", Installation.Overlay]);

        Assert.Equal("", difference.Output);
        Assert.Equal(0, difference.ExitCode);
        Assert.NotEqual("", authority);
        Assert.Equal(authority, await Authority());
        Assert.Equal(pods, await Pods());
    }

    [Fact]
    public async Task Uninstalling_keeps_the_data_leaves_pods_alone_and_a_new_installation_serves_what_was_cached()
    {
        await cluster.Kuik.Ready();
        var space = await cluster.NewNamespace();
        var image = TestImage.Runnable(cluster.Seed());
        var name = await cluster.Origin.Push("team/kept", "1", image);
        await cluster.Run(space, "before", name);
        await cluster.WaitUntilCached(name);
        var password = await Password();

        await cluster.Kuik.StopRewriting();
        await cluster.Kuik.Remove();

        var claims = await cluster.Kubernetes.Kubectl("-n", "kuik-system", "get", "persistentvolumeclaims", "-o", "name");
        Assert.Contains("data-kuik-postgres-0", claims, StringComparison.Ordinal);
        Assert.Contains("data-kuik-registry-0", claims, StringComparison.Ordinal);
        Assert.Equal(password, await Password());
        Assert.Equal("", await cluster.Kubernetes.Kubectl("get", "customresourcedefinitions", "-o", "name"));
        Assert.Equal("", await cluster.Kubernetes.Kubectl("-n", "kuik-system", "get", "pods", "-o", "name"));
        var running = await cluster.Get("-n", space, "pod", "before");
        Assert.Equal("Running", (string?)running["status"]!["phase"]);
        Assert.Equal(name, await cluster.Kubernetes.Kubectl(
            "-n", space, "run", "later", $"--image={name}", "--dry-run=server", "-o", "jsonpath={.spec.containers[0].image}"));

        await cluster.Kuik.Ready();

        await cluster.Kubernetes.Kubectl("-n", space, "delete", "pod", "before");
        await Cluster.RemoveFromNode("team/kept");
        await Cluster.Without(cluster.Origin, () => cluster.Run(space, "after", name));
    }

    [Fact]
    [Trait("length", "short")]
    public async Task Uninstalling_for_good_leaves_every_pod_able_to_pull_and_nothing_of_Kuik()
    {
        await cluster.Kuik.Ready();
        var space = await cluster.NewNamespace();
        var name = await cluster.Origin.Push("team/left", "1", TestImage.Runnable(cluster.Seed()));
        await RunDeployment(space, name);
        await cluster.WaitUntilCached(name);
        Assert.Equal(1, await Rewritten(space));

        await cluster.Kuik.StopRewriting();
        await cluster.Kubernetes.Kubectl("-n", space, "rollout", "restart", "deployment,statefulset,daemonset");
        await Eventually.True(async () => await Rewritten(space) == 0, "no pod is rewritten", TimeSpan.FromMinutes(3));
        await cluster.Kuik.Remove();
        await cluster.Kuik.RemoveData();

        await Eventually.True(
            async () => await Left() == "", "volumes and cluster-wide objects of Kuik are gone", TimeSpan.FromMinutes(2));
        await Cluster.RemoveFromNode("team/left");
        await cluster.Kubernetes.Kubectl("-n", space, "delete", "pods", "--all");
        await WaitForDeployment(space);

        await cluster.Kuik.Ready();
        await cluster.Run(space, "anew", name);
        await cluster.WaitUntilCached(name);
    }

    private async Task RunDeployment(string space, string image)
    {
        await cluster.Kubernetes.Apply($$"""
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: web
              namespace: {{space}}
            spec:
              selector:
                matchLabels: {app: web}
              template:
                metadata:
                  labels: {app: web}
                spec:
                  terminationGracePeriodSeconds: 0
                  containers: [{name: main, image: "{{image}}", command: [/bin/sleep, "100000"]}]
            """);
        await WaitForDeployment(space);
    }

    private async Task WaitForDeployment(string space) =>
        await cluster.Kubernetes.Kubectl("-n", space, "rollout", "status", "deployment/web", "--timeout=180s");

    /// <summary>The number of pods that pull from node-proxy, as docs/operations/uninstall.md finds them.</summary>
    private async Task<int> Rewritten(string space) =>
        (await cluster.Get("-n", space, "pods", "-l", "kuik.enix.io/managed=true"))["items"]!.AsArray().Count;

    private async Task<string> Left() => await cluster.Kubernetes.Kubectl(
        "get", "mutatingwebhookconfigurations,customresourcedefinitions,clusterroles,clusterrolebindings,namespaces",
        "-l", "app.kubernetes.io/part-of=kuik", "-o", "name")
        + await cluster.Kubernetes.Kubectl("get", "persistentvolumes", "-o", "name");

    private Task<string> Pods() => cluster.Kubernetes.Kubectl(
        "-n", "kuik-system", "get", "pods",
        "-o", "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[*].restartCount};{end}");

    private Task<string> Authority() => cluster.Kubernetes.Kubectl(
        "get", "mutatingwebhookconfiguration", "kuik-webhook", "-o", "jsonpath={.webhooks[0].clientConfig.caBundle}");

    private Task<string> Password() => cluster.Kubernetes.Kubectl(
        "-n", "kuik-system", "get", "secret", "kuik-credentials", "-o", "jsonpath={.data.postgres-password}");
}
