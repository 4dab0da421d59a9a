using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>A user's changes of CachedImages, on a real Kubernetes API and a real log.</summary>
[Collection(nameof(Cluster))]
public sealed class CachedImageIntentReconcilerTests(Cluster cluster)
{
    private const string Nginx = "image/docker.io/library/nginx:1.27";
    private const string Name = "docker.io-library-nginx-1.27";

    [Fact]
    public async Task A_resource_made_by_hand_requests_its_image_and_retain_is_recorded_and_taken_back()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();

        await cluster.Api.Apply(Manifest(Name, "nginx:1.27"));
        await watchers.Shows(Name, ".status.phase", "Synchronizing");
        await cluster.Api.Kubectl("patch", "cachedimage", Name, "--type=merge", "-p", """{"spec":{"retain":true}}""");
        await Eventually.True(async () => await watchers.Count("ImageRetained") == 1, "retain is recorded");
        await cluster.Api.Kubectl("patch", "cachedimage", Name, "--type=merge", "-p", """{"spec":{"retain":false}}""");
        await Eventually.True(async () => await watchers.Count("ImageReleased") == 1, "its end is recorded");

        Assert.Equal([$"{Nginx} RequestedByPerson", $"{Nginx} ImageNamed", $"{Nginx} ImageRetained", $"{Nginx} ImageReleased"],
            await watchers.Events());
        Assert.Equal("nginx:1.27", await watchers.Field(Name, ".spec.sourceImage"));
    }

    [Fact]
    public async Task A_resource_under_another_name_is_replaced_by_one_with_the_images_name_that_is_retained_as_well()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();

        await cluster.Api.Apply(Manifest("mine", "nginx:1.27", retain: true));

        await watchers.Shows(Name, ".spec.retain", "true");
        await Eventually.True(async () => await watchers.Field("mine", ".metadata.name") == "", "the other one is deleted");
        await watchers.Shows(Name, ".status.phase", "Synchronizing");
        Assert.Equal([$"{Nginx} RequestedByPerson", $"{Nginx} ImageNamed", $"{Nginx} ImageRetained"],
            (await watchers.Events()).Order(Order));
    }

    [Fact]
    public async Task Images_that_would_share_a_name_get_two()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();

        await watchers.Pod("one", "reg.example.com/a/b:1");
        await watchers.Shows("reg.example.com-a-b-1", ".spec.sourceImage", "reg.example.com/a/b:1");
        await watchers.Pod("two", "reg.example.com/a-b:1");

        await Eventually.True(async () => (await Names()).Length == 2, "there are two resources");
        Assert.StartsWith("reg.example.com-a-b-1-", (await Names()).Order(StringComparer.Ordinal).Last(), StringComparison.Ordinal);
        await watchers.Shows("reg.example.com-a-b-1", ".status.usedBy.pods[*].namespacedName", "apps/one");
    }

    [Fact]
    public async Task Images_of_one_pod_that_would_share_a_name_get_two()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();

        await watchers.Pod("both", "reg.example.com/a/b:1", "reg.example.com/a-b:1");

        await Eventually.True(async () => (await Names()).Length == 2, "there are two resources");
        Assert.Equal(1, await watchers.Count("PodObserved"));
        Assert.Equal(2, await watchers.Count("ImageNamed"));
    }

    [Fact]
    public async Task An_image_that_cannot_be_parsed_gets_an_error_in_its_status_and_nothing_else()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();

        await cluster.Api.Apply(Manifest("broken", "Not/An:Image:At all"));

        await Eventually.True(async () => (await watchers.Field("broken", ".status.lastError"))
            .Contains("is not an image reference", StringComparison.Ordinal), "the error is shown");
        Assert.Empty(await watchers.Events());
    }

    [Fact]
    public async Task Deleting_the_resource_of_a_used_image_brings_it_back_and_nothing_expires()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows(Name, ".status.usedBy.count", "1");
        var uid = await watchers.Field(Name, ".metadata.uid");

        await cluster.Api.Kubectl("delete", "cachedimage", Name);

        await Eventually.True(async () => await watchers.Field(Name, ".metadata.uid") is { Length: > 0 } other && other != uid,
            "the resource is back");
        await watchers.Shows(Name, ".status.usedBy.count", "1");
        Assert.Equal((1, 0), (await watchers.Count("ImageForgotten"), await watchers.Count("ImageExpired")));
    }

    [Fact]
    public async Task Deleting_the_resource_of_an_unused_image_is_recorded_with_the_manager_that_made_it()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await cluster.Api.Apply(Manifest(Name, "nginx:1.27"));
        await watchers.Shows(Name, ".status.phase", "Synchronizing");

        await cluster.Api.Kubectl("delete", "cachedimage", Name);

        await Eventually.True(async () => await watchers.Count("ImageForgotten") == 1, "it is recorded");
        Assert.Equal("kubectl-client-side-apply",
            await watchers.Execute("select data->>'fieldManager' from kuik.mt_events where type = 'ImageForgotten'"));
        Assert.Equal("kubectl-client-side-apply",
            await watchers.Execute("select data->>'fieldManager' from kuik.mt_events where type = 'RequestedByPerson'"));
    }

    [Fact]
    public async Task Forty_resources_that_a_person_made_and_deleted_once_are_requested_once_and_forgotten_once()
    {
        const int count = 40;
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        var manifests = Enumerable.Range(0, count).Select(i => Manifest($"docker.io-library-idle-{i}", $"idle:{i}"));
        await cluster.Api.Apply($$"""{"apiVersion":"v1","kind":"List","items":[{{string.Join(',', manifests)}}]}""");
        await Eventually.True(
            async () => (await cluster.Api.Kubectl("get", "cachedimages", "-o", "jsonpath={.items[*].status.phase}")).Split(' ')
                .Length == count, "all are taken up");

        await cluster.Api.Kubectl(
            ["delete", "cachedimages", "--wait=false", .. Enumerable.Range(0, count).Select(i => $"docker.io-library-idle-{i}")]);

        await Eventually.True(async () => await watchers.Count("ImageForgotten") == count, "all are forgotten");
        await watchers.Pod("later", "redis:8");   // what followed from the deletions has been looked at by then
        await watchers.Shows("docker.io-library-redis-8", ".status.usedBy.count", "1");
        Assert.Equal((count, count), (await watchers.Count("RequestedByPerson"), await watchers.Count("ImageForgotten")));
    }

    [Fact]
    public async Task A_persons_way_to_write_a_reference_is_never_overwritten()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await watchers.Pod("web", "nginx:1.27");
        await watchers.Shows(Name, ".status.usedBy.count", "1");

        await cluster.Api.Apply(Manifest(Name, "docker.io/library/nginx:1.27"));
        var generation = await watchers.Field(Name, ".metadata.generation");
        await watchers.Pod("more", "nginx:1.27");
        await watchers.Shows(Name, ".status.usedBy.count", "2");

        Assert.Equal("docker.io/library/nginx:1.27", await watchers.Field(Name, ".spec.sourceImage"));
        Assert.Equal(generation, await watchers.Field(Name, ".metadata.generation"));
    }

    [Fact]
    public async Task Deleting_a_retained_resource_brings_it_back_retained()
    {
        await using var watchers = await Watchers.In(cluster);
        await watchers.Start();
        await cluster.Api.Apply(Manifest(Name, "nginx:1.27", retain: true));
        await watchers.Shows(Name, ".status.phase", "Synchronizing");
        var uid = await watchers.Field(Name, ".metadata.uid");

        await cluster.Api.Kubectl("delete", "cachedimage", Name);

        await Eventually.True(async () => await watchers.Field(Name, ".metadata.uid") is { Length: > 0 } other && other != uid,
            "the resource is back");
        await watchers.Shows(Name, ".status.phase", "Synchronizing");
        await watchers.Pod("later", "redis:8");   // and once more through everything: putting it back is no wish
        await watchers.Shows("docker.io-library-redis-8", ".status.usedBy.count", "1");
        Assert.Equal("true", await watchers.Field(Name, ".spec.retain"));
        Assert.Equal((1, 0, 0),
            (await watchers.Count("ImageRetained"), await watchers.Count("ImageReleased"), await watchers.Count("ImageExpired")));
    }

    [Fact]
    public async Task All_resources_deleted_while_the_watcher_is_down_come_back_and_nothing_is_forgotten()
    {
        await using var watchers = await Watchers.In(cluster);
        var watcher = await watchers.Start();
        await watchers.Pod("web", "nginx:1.27", "redis:8");
        await cluster.Api.Apply(Manifest("docker.io-library-busybox-1.36", "busybox:1.36"));
        await Eventually.True(async () => (await Names()).Length == 3, "there are three resources");
        await watchers.Shows("docker.io-library-busybox-1.36", ".status.phase", "Synchronizing");
        var events = (await watchers.Events()).Count;
        watcher.Kill();
        await cluster.Api.Kubectl("delete", "cachedimages", "--all");

        await watcher.Restart();

        await Eventually.True(async () => (await Names()).Length == 3, "all three are back");
        await watchers.Shows("docker.io-library-busybox-1.36", ".spec.sourceImage", "busybox:1.36");
        Assert.Equal(events, (await watchers.Events()).Count);
    }

    private async Task<string[]> Names() =>
        (await cluster.Api.Kubectl("get", "cachedimages", "-o", "jsonpath={.items[*].metadata.name}"))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static readonly Comparer<string> Order = Comparer<string>.Create((a, b) => Rank(a) - Rank(b));

    private static int Rank(string e) => e.EndsWith("Person", StringComparison.Ordinal)
        ? 0
        : e.EndsWith("Named", StringComparison.Ordinal)
        ? 1
        : 2;

    private static string Manifest(string name, string image, bool retain = false) => $$$"""
        {"apiVersion":"kuik.enix.io/v1alpha1","kind":"CachedImage","metadata":{"name":"{{{name}}}"},"spec":{"sourceImage":"{{{image}}}","retain":{{{(retain ? "true" : "false")}}} } }
        """;
}
