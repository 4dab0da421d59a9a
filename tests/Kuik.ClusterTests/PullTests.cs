using System.Text.Json.Nodes;
using Kuik.Testing;
using Xunit;

namespace Kuik.ClusterTests;

[Collection(nameof(ClusterCollection))]
public sealed class PullTests(Cluster cluster)
{
    [Fact]
    [Trait("length", "short")]
    public async Task A_pod_runs_through_Kuik_and_runs_again_from_the_cache_when_its_origin_is_down()
    {
        var space = await cluster.NewNamespace();
        var image = TestImage.Runnable(cluster.Seed());
        var name = await cluster.Origin.Push("team/web", "1", image);

        var pod = await cluster.Run(space, "first", name);

        Assert.Equal($"localhost:7439/{name.Replace(":5000", "_5000", StringComparison.Ordinal)}", ImageOf(pod));
        Assert.EndsWith(image.Digest, PulledBy(pod), StringComparison.Ordinal);
        var cached = await cluster.WaitUntilCached(name);
        Assert.Equal(image.Digest["sha256:".Length..], (string?)cached["status"]!["digest"]);
        var line = await cluster.Kubernetes.Kubectl("get", "cachedimages", "--no-headers", (string)cached["metadata"]!["name"]!);
        Assert.Contains("true", line, StringComparison.OrdinalIgnoreCase);

        await Cluster.Without(cluster.Origin, async () =>
        {
            var again = await RunAgain(space, "first", name, "team/web");
            Assert.EndsWith(image.Digest, PulledBy(again), StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task An_index_keeps_its_digest_and_every_byte_with_its_origin_down()
    {
        var space = await cluster.NewNamespace();
        var index = TestIndex.Runnable(cluster.Seed());
        var name = await cluster.Origin.Push("team/index", "1", index);
        await cluster.Run(space, "first", name);
        await cluster.WaitUntilCached(name);

        await Cluster.Without(cluster.Origin, async () =>
        {
            var again = await RunAgain(space, "first", name, "team/index");

            Assert.EndsWith(index.Digest, PulledBy(again), StringComparison.Ordinal);
            Assert.Equal(index.Bytes, await Skopeo.InspectRaw(ImageOf(again)));
        });
    }

    [Fact]
    public async Task A_private_image_is_fetched_with_the_secret_of_its_pod_and_runs_with_its_origin_down()
    {
        var space = await cluster.NewNamespace();
        var image = TestImage.Runnable(cluster.Seed());
        var name = await cluster.PrivateOrigin.Push("team/private", "1", image);
        await cluster.Kubernetes.Kubectl(
            "-n", space, "create", "secret", "docker-registry", "pull", $"--docker-server={cluster.PrivateOrigin.Host}",
            "--docker-username=robot", "--docker-password=secret");

        await cluster.Run(space, "first", name, "pull");
        await cluster.WaitUntilCached(name);

        await Cluster.Without(cluster.PrivateOrigin, async () =>
        {
            var again = await RunAgain(space, "first", name, "team/private", "pull");
            Assert.EndsWith(image.Digest, PulledBy(again), StringComparison.Ordinal);
        });
    }

    private async Task<JsonNode> RunAgain(string space, string first, string image, string repository, string? pullSecret = null)
    {
        await cluster.Kubernetes.Kubectl("-n", space, "delete", "pod", first);
        await Cluster.RemoveFromNode(repository);
        return await cluster.Run(space, "again", image, pullSecret);
    }

    private static string ImageOf(JsonNode pod) => (string)pod["spec"]!["containers"]![0]!["image"]!;

    /// <summary>The image that the container runtime pulled: a name with a digest.</summary>
    private static string PulledBy(JsonNode pod) => (string)pod["status"]!["containerStatuses"]![0]!["imageID"]!;
}
