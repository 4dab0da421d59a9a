using System.Text;
using Kuik.Testing;
using Xunit;

namespace Kuik.ClusterTests;

[Collection(nameof(ClusterCollection))]
public sealed class PullTests(Cluster cluster)
{
    [Fact]
    public async Task A_pod_runs_through_Kuik_and_runs_again_from_the_cache_when_its_origin_is_down()
    {
        var space = await cluster.Kubernetes.NewNamespace();
        var image = TestImage.Runnable(cluster.Seed());
        var name = await cluster.Origin.Push("team/web", "1", image);

        var pod = await cluster.Run(space, "first", name);

        Assert.Equal($"localhost:7439/{name.Replace(":5000", "_5000", StringComparison.Ordinal)}", (string?)pod["spec"]!["containers"]![0]!["image"]);
        Assert.EndsWith(image.Digest, (string?)pod["status"]!["containerStatuses"]![0]!["imageID"], StringComparison.Ordinal);
        var cached = await cluster.WaitUntilCached(name);
        Assert.Equal(image.Digest, (string?)cached["status"]!["digest"]);
        Assert.Contains(name, await cluster.Kubernetes.Kubectl("get", "cachedimages", "-o", "custom-columns=IMAGE:.spec.sourceImage"), StringComparison.Ordinal);

        await WithoutOrigin(cluster.Origin, async () =>
        {
            var again = await RunAgain(space, "first", name, "team/web");
            Assert.EndsWith(image.Digest, (string?)again["status"]!["containerStatuses"]![0]!["imageID"], StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task An_index_keeps_its_digest_and_every_byte_with_its_origin_down()
    {
        var space = await cluster.Kubernetes.NewNamespace();
        var index = TestIndex.Runnable(cluster.Seed());
        var name = await cluster.Origin.Push("team/index", "1", index);
        await cluster.Run(space, "first", name);
        await cluster.WaitUntilCached(name);

        await WithoutOrigin(cluster.Origin, async () =>
        {
            var again = await RunAgain(space, "first", name, "team/index");

            Assert.EndsWith(index.Digest, (string?)again["status"]!["containerStatuses"]![0]!["imageID"], StringComparison.Ordinal);
            Assert.Equal(index.Bytes, await Skopeo.InspectRaw((string)again["spec"]!["containers"]![0]!["image"]!));
        });
    }

    [Fact]
    public async Task A_private_image_is_fetched_with_the_secret_of_its_pod_and_runs_with_its_origin_down()
    {
        var space = await cluster.Kubernetes.NewNamespace();
        var image = TestImage.Runnable(cluster.Seed());
        var name = await cluster.PrivateOrigin.Push("team/private", "1", image);
        var login = Convert.ToBase64String(Encoding.UTF8.GetBytes("robot:secret"));
        await cluster.Kubernetes.Kubectl(
            "-n", space, "create", "secret", "generic", "pull", "--type=kubernetes.io/dockerconfigjson",
            $$$"""--from-literal=.dockerconfigjson={"auths":{"{{{cluster.PrivateOrigin.Host}}}":{"auth":"{{{login}}}"}}}""");

        await cluster.Run(space, "first", name, "pull");
        await cluster.WaitUntilCached(name);

        await WithoutOrigin(cluster.PrivateOrigin, async () =>
        {
            var again = await RunAgain(space, "first", name, "team/private", "pull");
            Assert.EndsWith(image.Digest, (string?)again["status"]!["containerStatuses"]![0]!["imageID"], StringComparison.Ordinal);
        });
    }

    private async Task<System.Text.Json.Nodes.JsonNode> RunAgain(string space, string first, string image, string repository, string? pullSecret = null)
    {
        await cluster.Kubernetes.Kubectl("-n", space, "delete", "pod", first);
        await Cluster.RemoveFromNode(repository);
        return await cluster.Run(space, "again", image, pullSecret);
    }

    private static async Task WithoutOrigin(Registry origin, Func<Task> then)
    {
        await origin.Stop();
        try
        {
            await then();
        }
        finally
        {
            await origin.Restart();
        }
    }
}
