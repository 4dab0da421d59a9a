using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Flow;

[Collection(nameof(FlowCollection))]
public sealed class LifeOfAnImageTests(FlowFixture flow)
{
    [Fact]
    public async Task An_image_is_cached_for_its_pod_shown_with_its_pod_count_and_evicted_after_the_last_pod()
    {
        var space = await flow.Kuik.Kubernetes.NewNamespace();
        var image = await flow.PushImage("life/single", "1", TestImage.Small(flow.Seed()));

        // A pod through the real API server is rewritten by the webhook, and its image is cached.
        var pod = await flow.CachedByPod(space, "web", image);
        await flow.CreatePod(space, "web-2", image);

        Assert.Equal(flow.Local(image), (string?)pod["spec"]!["containers"]![0]!["image"]);
        Assert.Equal(image, (string?)pod["metadata"]!["annotations"]![Names.OriginalImageAnnotation("main")]);
        Assert.Equal("true", (string?)pod["metadata"]!["labels"]![Names.ManagedLabel]);
        await Eventually.True(async () => (int?)(await flow.CachedImage(image))!["status"]!["usedBy"]!["count"] == 2,
            "both pods are counted");
        var row = (await flow.Kuik.Kubernetes.Kubectl("get", "cachedimages")).Split('\n')
            .Single(line => line.StartsWith(ObjectName.Of(ImageReference.Parse(image)), StringComparison.Ordinal));
        Assert.Matches(@"\sReady\s+true\s+.*\b2\s", row);

        // One pod less changes nothing; without the last one the image goes.
        await flow.DeletePod(space, "web-2");
        await Eventually.True(async () => (int?)(await flow.CachedImage(image))!["status"]!["usedBy"]!["count"] == 1, "one pod is counted");
        Assert.Contains("1", await TagsInCache("life/single"));
        await flow.DeletePod(space, "web");

        await Eventually.True(async () => await flow.CachedImage(image) is null, "the resource is gone");
        Assert.DoesNotContain("1", await TagsInCache("life/single"));
    }

    [Fact]
    public async Task An_image_used_again_before_it_expires_stays()
    {
        var space = await flow.Kuik.Kubernetes.NewNamespace();
        var image = await flow.PushImage("life/again", "1", TestImage.Small(flow.Seed()));
        await flow.CachedByPod(space, "first", image);

        await flow.DeletePod(space, "first");
        await Eventually.True(async () => (await flow.CachedImage(image))?["spec"]?["expiresAt"] is not null,
            "the image is marked as unused");
        await flow.CreatePod(space, "second", image);

        await Eventually.True(async () => (await flow.CachedImage(image)) is { } shown && shown["spec"]?["expiresAt"] is null
            && (bool?)shown["status"]?["isCached"] == true && (int?)shown["status"]!["usedBy"]!["count"] == 1, "the image is in use again");
    }

    [Fact]
    public async Task A_platform_that_the_index_does_not_have_is_a_warning_that_kubectl_describe_shows()
    {
        var space = await flow.Kuik.Kubernetes.NewNamespace();
        var image = await flow.PushIndex("life/missing", "1", TestIndex.Of([TestImage.Small(flow.Seed(), platform: "linux/s390x")]));

        await flow.CachedByPod(space, "web", image);

        var described = await flow.Kuik.Kubernetes.Kubectl("describe", "cachedimage", ObjectName.Of(ImageReference.Parse(image)));
        Assert.Matches(@"Missing Platforms:\s+linux/amd64\s", described);
        Assert.Matches(@"Phase:\s+Ready\s", described);
    }

    private async Task<string[]> TagsInCache(string repository)
    {
        using var http = flow.Kuik.Cache.Client(repository);
        var answer = await http.GetStringAsync(
            new Uri($"/v2/{flow.Front.Host.Replace(':', '_')}/{repository}/tags/list", UriKind.Relative));
        return [.. System.Text.Json.Nodes.JsonNode.Parse(answer)!["tags"]?.AsArray().Select(tag => (string)tag!) ?? []];
    }
}
