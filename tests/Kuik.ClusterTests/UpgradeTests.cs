using Kuik.Testing;
using Xunit;

namespace Kuik.ClusterTests;

[Collection(nameof(ClusterCollection))]
public sealed class UpgradeTests(Cluster cluster)
{
    private static readonly string[] Services = ["webhook", "node-proxy", "pod-watcher", "image-fetcher", "expiry"];

    [Fact]
    public async Task An_upgrade_and_its_way_back_serve_every_pull_and_a_shorter_delay_expires_what_no_pod_uses()
    {
        await cluster.Kuik.Ready();
        var space = await cluster.NewNamespace();
        var image = TestImage.Runnable(cluster.Seed());
        var used = await cluster.Origin.Push("team/used", "1", image);
        var unused = await cluster.Origin.Push("team/unused", "1", TestImage.Runnable(cluster.Seed()));
        await cluster.Run(space, "used", used);
        await cluster.Run(space, "unused", unused);
        await cluster.WaitUntilCached(used);
        var expiring = (string)(await cluster.WaitUntilCached(unused))["metadata"]!["name"]!;
        await TagImages("0.1.0", "0.1.1");

        var upgrade = await ApplyUnderPulls(Installation.NextOverlay, used, image);
        Console.WriteLine($"upgrade: {upgrade}");
        Assert.Equal(5, (await Images()).Count(name => name.EndsWith(":0.1.1", StringComparison.Ordinal)));

        await cluster.Kubernetes.Kubectl("-n", space, "delete", "pod", "unused");
        await Eventually.True(
            async () => (await cluster.Kubernetes.TryKubectl(["get", "cachedimage", expiring])).ExitCode != 0,
            $"{unused} expires", TimeSpan.FromMinutes(6));
        await cluster.WaitUntilCached(used);

        var back = await ApplyUnderPulls(Installation.Overlay, used, image);
        Console.WriteLine($"back: {back}");
        Assert.Equal(5, (await Images()).Count(name => name.EndsWith(":0.1.0", StringComparison.Ordinal)));
    }

    private async Task<string> ApplyUnderPulls(string overlay, string name, TestImage image)
    {
        await using var pulls = await ConstantPulls.Start(name, image);
        await cluster.Kubernetes.Kubectl("apply", "-k", overlay);
        await cluster.Kuik.WaitUntilRolledOut();
        await pulls.Another();
        Assert.Equal(0, pulls.Failures);
        Assert.InRange(pulls.LongestGap, TimeSpan.Zero, ConstantPulls.LongestWait);
        return pulls.ToString();
    }

    /// <summary>A release of the same programs.</summary>
    private static async Task TagImages(string version, string next)
    {
        foreach (var service in Services)
        {
            await RunTool.Run("ctr", [
                "-n", "k8s.io", "images", "tag", "--force", $"docker.io/kuik/{service}:{version}", $"docker.io/kuik/{service}:{next}"]);
        }
    }

    /// <summary>Of our five services' pods, each once.</summary>
    private async Task<IReadOnlyList<string>> Images() =>
    [
        .. (await cluster.Kubernetes.Kubectl("-n", "kuik-system", "get", "pods", "-o", "jsonpath={.items[*].spec.containers[*].image}"))
            .Split(' ').Where(name => name.StartsWith("kuik/", StringComparison.Ordinal)).Distinct(),
    ];
}
