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
        await cluster.Origin.Stop();
        try
        {
            await cluster.Run(space, "after", name);
        }
        finally
        {
            await cluster.Origin.Restart();
        }
    }

    private Task<string> Pods() => cluster.Kubernetes.Kubectl(
        "-n", "kuik-system", "get", "pods",
        "-o", "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[*].restartCount};{end}");

    private Task<string> Authority() => cluster.Kubernetes.Kubectl(
        "get", "mutatingwebhookconfiguration", "kuik-webhook", "-o", "jsonpath={.webhooks[0].clientConfig.caBundle}");

    private Task<string> Password() => cluster.Kubernetes.Kubectl(
        "-n", "kuik-system", "get", "secret", "kuik-credentials", "-o", "jsonpath={.data.postgres-password}");
}
