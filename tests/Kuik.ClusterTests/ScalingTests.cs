using System.Text;
using System.Text.Json.Nodes;
using Kuik.Testing;
using Xunit;

namespace Kuik.ClusterTests;

[Collection(nameof(ClusterCollection))]
public sealed class ScalingTests(Cluster cluster)
{
    private const string Fetchers = "deployment/kuik-image-fetcher";

    [Fact]
    public async Task Three_image_fetchers_share_a_backlog_and_ask_the_origin_for_each_blob_once()
    {
        const int Waiting = 45;
        await cluster.Kuik.Ready();
        await cluster.Kuik.Scale(Fetchers, 0);
        try
        {
            var images = await RequestByHand(Waiting);
            await Eventually.True(
                async () => (await Backlog()).Count(image => (string?)image["status"]?["phase"] == "Synchronizing") == Waiting,
                $"{Waiting} images wait", TimeSpan.FromMinutes(2));

            await cluster.Kuik.Scale(Fetchers, 3);

            await Eventually.True(
                async () => (await Backlog()).Count(image => (bool?)image["status"]?["isCached"] == true) == Waiting,
                $"{Waiting} images are cached", TimeSpan.FromMinutes(4));
            var downloads = cluster.Origin.BlobDownloads();
            Assert.All(images.SelectMany(image => image.Blobs), blob => Assert.Equal(1, downloads[blob.Digest]));
            var shares = await Shares();
            Console.WriteLine($"{Waiting} images by three image-fetchers: {string.Join(", ", shares)}");
            Assert.True(shares.Count(share => share > 0) > 1, "the three share the work");
            await cluster.Kubernetes.Kubectl(["delete", "cachedimages", .. (await Backlog()).Select(NameOf)]);
        }
        finally
        {
            await cluster.Kuik.Scale(Fetchers, 1);
        }
    }

    private async Task<IReadOnlyList<TestImage>> RequestByHand(int count)
    {
        var images = new List<TestImage>();
        var manifests = new StringBuilder();
        for (var number = 0; number < count; number++)
        {
            images.Add(TestImage.Small(cluster.Seed()));
            var name = await cluster.Origin.Push($"backlog/image-{number}", "1", images[number]);
            manifests.Append($$"""
                ---
                apiVersion: kuik.enix.io/v1alpha1
                kind: CachedImage
                metadata:
                  name: backlog-{{number}}
                spec:
                  sourceImage: "{{name}}"

                """);
        }
        await cluster.Kubernetes.Apply(manifests.ToString());
        return images;
    }

    private async Task<IReadOnlyList<JsonNode>> Backlog() =>
    [
        .. (await cluster.Get("cachedimages"))["items"]!.AsArray().OfType<JsonNode>()
            .Where(image => ((string)image["spec"]!["sourceImage"]!).Contains("/backlog/", StringComparison.Ordinal)),
    ];

    // Kuik gives an image made by hand its own name.
    private static string NameOf(JsonNode image) => (string)image["metadata"]!["name"]!;

    /// <summary>How many of the images each image-fetcher says that it has copied.</summary>
    private async Task<IReadOnlyList<int>> Shares()
    {
        var shares = new List<int>();
        foreach (var pod in await cluster.Kuik.Pods("image-fetcher"))
        {
            var log = await cluster.Kubernetes.Kubectl("-n", "kuik-system", "logs", pod);
            shares.Add(log.Split('\n').Count(line =>
                line.Contains(" is cached: ", StringComparison.Ordinal) && line.Contains("/backlog/image-", StringComparison.Ordinal)));
        }
        return shares;
    }
}
