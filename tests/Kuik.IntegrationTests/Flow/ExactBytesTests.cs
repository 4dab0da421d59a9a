using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Flow;

[Collection(nameof(FlowCollection))]
public sealed class ExactBytesTests(FlowFixture flow)
{
    [Theory]
    [InlineData(ImageFormat.Oci)]
    [InlineData(ImageFormat.Docker)]
    public async Task An_index_is_served_byte_for_byte_by_tag_digest_and_child_digest_with_its_origin_up_and_down(ImageFormat format)
    {
        var space = await flow.Kuik.Kubernetes.NewNamespace();
        var index = TestIndex.Small(flow.Seed(), format: format);
        var repository = $"exact/{format.ToString().ToLowerInvariant()}";
        var image = await flow.PushIndex(repository, "1", index);
        var name = image[..image.LastIndexOf(':')];
        await flow.CachedByPod(space, "web", image);

        await SameBytes();
        // linux/arm64 is not fetched ahead: the first who asks gets it through the origin, and it stays.
        var other = index.Child("linux/arm64");
        Assert.Equal(other.Bytes, await flow.InspectThroughProxy($"{name}@{other.Digest}"));
        await Skopeo.Pull(flow.Local(image), "linux/arm64");
        await Eventually.True(() => HoldsInCache(repository, other.Digest), "the other platform is kept");

        await flow.Front.Stop();
        try
        {
            await SameBytes();
            Assert.Equal(other.Bytes, await flow.InspectThroughProxy($"{name}@{other.Digest}"));
            var pulled = await Skopeo.Pull(flow.Local(image), all: true);
            foreach (var blob in index.Children.SelectMany(child => child.Blobs))
                Assert.Equal(blob.Bytes,
                    await File.ReadAllBytesAsync(Path.Combine(pulled, blob.Digest["sha256:".Length..]),
                        TestContext.Current.CancellationToken));
        }
        finally
        {
            await flow.Front.Restart();
        }

        async Task SameBytes()
        {
            Assert.Equal(index.Bytes, await flow.InspectThroughProxy(image));
            Assert.Equal(index.Bytes, await flow.InspectThroughProxy($"{name}@{index.Digest}"));
            Assert.Equal(index.Child("linux/amd64").Bytes, await flow.InspectThroughProxy($"{name}@{index.Child("linux/amd64").Digest}"));
        }
    }

    [Fact]
    public async Task Containerd_pulls_and_unpacks_through_node_proxy_on_both_loopback_addresses()
    {
        var space = await flow.Kuik.Kubernetes.NewNamespace();
        var image = await flow.PushIndex("exact/containerd", "1", TestIndex.Runnable(flow.Seed()));
        await flow.CachedByPod(space, "web", image);
        var containerd = await Containerd.Start();
        var path = flow.Local(image)[flow.Local(image).IndexOf('/', StringComparison.Ordinal)..];

        foreach (var address in new[] { "127.0.0.1", "[::1]" })
        {
            var local = $"{address}:{flow.Kuik.NodeProxy.Port}{path}";
            await containerd.Pull(local);
            Assert.Contains(local, await containerd.Ctr("images", "check"), StringComparison.Ordinal);
            Assert.Contains("complete",
                (await containerd.Ctr("images", "check")).Split('\n').Single(line => line.StartsWith(local, StringComparison.Ordinal)),
                StringComparison.Ordinal);
        }
    }

    private async Task<bool> HoldsInCache(string repository, string digest)
    {
        using var http = flow.Kuik.Cache.Client(repository);
        using var ask = new HttpRequestMessage(HttpMethod.Head,
            new Uri($"/v2/{flow.Front.Host.Replace(':', '_')}/{repository}/manifests/{Oci.CacheTags.OfManifest(digest)}",
                UriKind.Relative));
        foreach (var type in Oci.MediaTypes.Manifests)
            ask.Headers.Accept.ParseAdd(type);
        using var answer = await http.SendAsync(ask);
        return answer.IsSuccessStatusCode;
    }
}
