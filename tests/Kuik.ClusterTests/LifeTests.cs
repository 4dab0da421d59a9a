using System.Text.Json.Nodes;
using Kuik.Testing;
using Xunit;

namespace Kuik.ClusterTests;

/// <summary>An image is kept while something wants it, follows its tag, and is repaired, in a cluster whose times are short.</summary>
[Collection(nameof(ClusterCollection))]
public sealed class LifeTests(Cluster cluster)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task Images_are_kept_for_workloads_at_rest_follow_their_tags_and_are_repaired()
    {
        await cluster.Kuik.Ready();
        await cluster.Kubernetes.Kubectl("apply", "-k", Installation.LifeOverlay);
        await cluster.Kuik.WaitUntilRolledOut();
        try
        {
            var space = await cluster.NewNamespace();
            await KeepsTheImageOfADeploymentAtRest(space);
            await FollowsAMovedTag(space);
            await RepairsWhatTheRegistryLost(space);
        }
        finally
        {
            await cluster.Kubernetes.Kubectl("-n", "kuik-system", "delete", "cronjob,job", "--all");
            await cluster.Kuik.ApplyAgain();
        }
    }

    private async Task KeepsTheImageOfADeploymentAtRest(string space)
    {
        var kept = await cluster.Origin.Push("team/at-rest", "1", TestImage.Runnable(cluster.Seed()));
        var unused = await cluster.Origin.Push("team/passing", "1", TestImage.Runnable(cluster.Seed()));
        await cluster.Kubernetes.Apply($$"""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: at-rest, namespace: {{space}}}
            spec:
              selector:
                matchLabels: {app: at-rest}
              template:
                metadata:
                  labels: {app: at-rest}
                spec:
                  terminationGracePeriodSeconds: 0
                  containers: [{name: main, image: "{{kept}}", command: [/bin/sleep, "100000"]}]
            """);
        await cluster.Run(space, "passing", unused);
        var (name, passing) = (NameOf(await cluster.WaitUntilCached(kept)), NameOf(await cluster.WaitUntilCached(unused)));
        await cluster.Kubernetes.Kubectl("wait", "--for=condition=Ready", $"cachedimage/{name}", "--timeout=60s");

        await cluster.Kubernetes.Kubectl("-n", space, "scale", "deployment", "at-rest", "--replicas=0");
        await cluster.Kubernetes.Kubectl("-n", space, "wait", "--for=delete", "pod", "-l", "app=at-rest", "--timeout=120s");
        await cluster.Kubernetes.Kubectl("-n", space, "delete", "pod", "passing");

        await Eventually.True(
            async () => (await cluster.Kubernetes.TryKubectl(["get", "cachedimage", passing])).ExitCode != 0,
            $"{unused} expires", Patience);
        var status = (await cluster.Get("cachedimage", name))["status"]!;
        Assert.Equal(("Ready", 0), ((string?)status["phase"], (int)status["usedBy"]!["count"]!));
        Assert.Equal("Deployment", (string?)status["usedBy"]!["workloads"]![0]!["kind"]);
    }

    private async Task FollowsAMovedTag(string space)
    {
        var (first, second) = (TestImage.Runnable(cluster.Seed()), TestImage.Runnable(cluster.Seed()));
        var image = await cluster.Origin.Push("team/moving", "1", first);
        await cluster.Run(space, "moving", image);
        var name = NameOf(await cluster.WaitUntilCached(image));

        await cluster.Origin.Push("team/moving", "1", second);
        await cluster.Kubernetes.Kubectl("annotate", "cachedimage", name, "cachedimage.kuik.enix.io/forceUpdate=true");
        await Eventually.True(
            async () => (string?)(await cluster.Get("cachedimage", name))["status"]!["digest"] == second.Digest["sha256:".Length..],
            "the moved tag is in the cache", Patience);

        await Cluster.Without(cluster.Origin, async () =>
        {
            var repository = $"localhost:7439/{cluster.Origin.Host.Replace(':', '_')}/team/moving";
            await Eventually.True(   // node-proxy remembers a tag for five seconds
                async () => (await Skopeo.InspectRaw($"{repository}:1")).AsSpan().SequenceEqual(second.Bytes), "the moved tag is served");
            await Skopeo.Pull($"{repository}@{second.Digest}");
            await Skopeo.Pull($"{repository}@{first.Digest}");
        });
    }

    private async Task RepairsWhatTheRegistryLost(string space)
    {
        var content = TestImage.Runnable(cluster.Seed());
        var image = await cluster.Origin.Push("team/damaged", "1", content);
        await cluster.Run(space, "damaged", image);
        await cluster.WaitUntilCached(image);
        var file = await FileOf(content.Layers[0].Digest);
        var bytes = await File.ReadAllBytesAsync(file);

        File.Delete(file);
        await Eventually.True(() => IsThere(file, bytes), "a lost blob is there again", Patience);

        await File.WriteAllBytesAsync(file, new byte[bytes.Length]);
        await StartScrub();
        await Eventually.True(() => IsThere(file, bytes), "a damaged blob is right again", Patience);
        await cluster.WaitUntilCached(image);
    }

    // As kubectl create job --from does, which does not read the CronJobs of Kubernetes 1.20; without the collection before, because the
    // tests' image of the registry has no cp.
    private async Task StartScrub()
    {
        var cronJob = await cluster.Get("-n", "kuik-system", "cronjob", "kuik-garbage-collection");
        var spec = cronJob["spec"]!["jobTemplate"]!["spec"]!.DeepClone();
        var pod = spec["template"]!["spec"]!.AsObject();
        pod.Remove("initContainers");
        pod["containers"]![0]!["args"] = new JsonArray("scrub");
        var job = new JsonObject
        {
            ["apiVersion"] = "batch/v1",
            ["kind"] = "Job",
            ["metadata"] = new JsonObject { ["name"] = "scrub", ["namespace"] = "kuik-system" },
            ["spec"] = spec,
        };
        await cluster.Kubernetes.Apply(job.ToJsonString());
    }

    private static bool IsThere(string file, byte[] bytes) => File.Exists(file) && File.ReadAllBytes(file).AsSpan().SequenceEqual(bytes);

    /// <summary>The file of a blob in the volume of the cache registry, which is a folder of the node.</summary>
    private async Task<string> FileOf(string digest)
    {
        var volume = (await cluster.Get("-n", "kuik-system", "pvc", "data-kuik-registry-0"))["spec"]!["volumeName"]!;
        var folder = (string)(await cluster.Get("pv", (string)volume!))["spec"]!["hostPath"]!["path"]!;
        return Path.Combine(folder, "docker/registry/v2/blobs/sha256", digest[7..9], digest[7..], "data");
    }

    private static string NameOf(JsonNode resource) => (string)resource["metadata"]!["name"]!;
}
