using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Flow;

/// <summary>
/// Image volumes through the whole data plane. The API server of these tests knows none, so the review is a recorded one of Kubernetes
/// 1.36 and the pull is ctr's, by the reference that the webhook put into the pod.
/// </summary>
[Collection(nameof(FlowCollection))]
public sealed class ImageVolumesTests(FlowFixture flow)
{
    private const string Recorded = "tests/Kuik.Tests/Webhook/golden/kubernetes-1.36-deployment-create/review.json";

    [Fact]
    public async Task The_image_of_a_volume_is_pulled_through_node_proxy_and_again_without_its_origin()
    {
        var image = await flow.PushIndex("volumes/model", "7b", TestIndex.Runnable(flow.Seed()));
        var patch = await Review(image);
        var reference = (string)patch.Single(operation => (string?)operation!["path"] == "/spec/volumes/0/image/reference")!["value"]!;

        await Pull(reference);
        await Eventually.True(async () => (bool?)(await flow.CachedImage(image))?["status"]?["isCached"] == true, $"{image} is cached");

        await flow.Front.Stop();
        try
        {
            await Pull(reference);
        }
        finally
        {
            await flow.Front.Restart();
        }
        Assert.Contains(patch, operation => operation!["value"] is JsonObject notes && (string?)notes["original-volume-image-m"] == image);
    }

    // By a runtime that has nothing of it yet.
    private static async Task Pull(string reference)
    {
        var containerd = await Containerd.Start();
        await containerd.Pull(reference);
        Assert.Contains("complete",
            (await containerd.Ctr("images", "check")).Split('\n').Single(line => line.StartsWith(reference, StringComparison.Ordinal)),
            StringComparison.Ordinal);
    }

    private async Task<JsonArray> Review(string image)
    {
        var review = JsonNode.Parse(
            await File.ReadAllTextAsync(Path.Combine(Checkout.Root, Recorded), TestContext.Current.CancellationToken))!;
        review["request"]!["object"]!["spec"]!["volumes"]![0]!["image"]!["reference"] = image;
        using var http = new HttpClient { BaseAddress = flow.Kuik.Webhook.Endpoint };
        using var answer = await http.PostAsJsonAsync("/mutate-core-v1-pod", review, TestContext.Current.CancellationToken);
        var response = (await answer.Content.ReadFromJsonAsync<JsonObject>(TestContext.Current.CancellationToken))!["response"]!;
        return JsonNode.Parse(Encoding.UTF8.GetString(Convert.FromBase64String((string)response["patch"]!)))!.AsArray();
    }
}
