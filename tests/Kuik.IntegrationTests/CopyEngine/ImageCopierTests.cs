using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

public class ImageCopierTests
{
    [Theory]
    [InlineData(ImageFormat.Oci)]
    [InlineData(ImageFormat.Docker)]
    public async Task A_single_manifest_is_copied_byte_for_byte(ImageFormat format)
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 1, format: format);
        var name = await origin.Push("team/web", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        var copied = await engine.Copy(name);

        await cache.AssertHas(name, image);
        var blobs = image.Blobs.Sum(blob => (long)blob.Bytes.Length);
        Assert.Equal((image.Digest, image.MediaType, blobs + image.Bytes.Length, blobs, 0L),
            (copied.Digest, copied.MediaType, copied.SizeInBytes, copied.BytesCopied, copied.BytesAlreadyThere));
        Assert.Empty(copied.Platforms);
    }

    [Theory]
    [InlineData(ImageFormat.Oci)]
    [InlineData(ImageFormat.Docker)]
    public async Task An_index_is_copied_whole_with_the_children_of_the_wanted_platforms_only(ImageFormat format)
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 2, format: format);
        var name = await origin.Push("team/web", "1", index);
        await using var engine =
            await StartEngine.Run(cache, [origin.Host], null, ("Kuik:Platforms:0", "linux/amd64"), ("Kuik:Platforms:1", "linux/s390x"));

        var copied = await engine.Copy(name);

        await cache.AssertHas(name, index, "linux/amd64");
        Assert.Equal((index.Digest, index.MediaType), (copied.Digest, copied.MediaType));
        Assert.Equal(["linux/amd64"], copied.Platforms);
        Assert.Equal(["linux/s390x"], copied.MissingPlatforms);
        Assert.DoesNotContain(index.Child("linux/arm64").Layers[1].Digest, origin.BlobDownloads().Keys);
    }

    [Fact]
    public async Task An_index_without_any_wanted_platform_is_still_kept()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 3);
        var name = await origin.Push("team/web", "1", index);
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, ("Kuik:Platforms", "windows/amd64"));

        var copied = await engine.Copy(name);

        await cache.AssertHas(name, index);
        Assert.Empty(copied.Platforms);
        Assert.Empty(origin.BlobDownloads());
    }

    [Fact]
    public async Task An_image_named_by_digest_is_kept_by_a_pin()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 4);
        var name = await origin.Push("team/web", null, index);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        await engine.Copy(name);

        await cache.AssertHas(name, index, "linux/amd64");
        Assert.Contains(CacheTags.OfPin(index.Digest), await cache.Tags(name));
    }

    [Fact]
    public async Task An_unchanged_image_costs_the_origin_one_HEAD()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var name = await origin.Push("team/web", "1", TestIndex.Small(seed: 5));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);

        var copied = await engine.Copy(name);

        await Eventually.True(() => origin.Requests()
            .Any(request => request.Path.EndsWith("/manifests/1", StringComparison.Ordinal) && request.Method == "HEAD"),
            "the HEAD is in the access log");
        var requests = origin.Requests();
        Assert.Equal("HEAD", requests[^1].Method);
        Assert.Single(requests, request => request.Path.EndsWith("/manifests/1", StringComparison.Ordinal) && request.Method == "GET");
        Assert.Equal(0, copied.BytesCopied);
    }

    [Fact]
    public async Task A_moved_tag_is_copied_anew_and_shared_layers_are_not()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var (below, first, second) = (TestLayer.Random(1, 50_000), TestLayer.Random(2, 50_000), TestLayer.Random(3, 50_000));
        var name = await origin.Push("team/web", "1", TestImage.Of([below, first]));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        var moved = TestImage.Of([below, second]);
        await origin.Push("team/web", "1", moved);

        var copied = await engine.Copy(name);

        await cache.AssertHas(name, moved);
        Assert.Equal(below.Bytes.Length, copied.BytesAlreadyThere);
        Assert.All(origin.BlobDownloads().Values, times => Assert.Equal(1, times));
    }

    [Fact]
    public async Task A_blob_that_another_repository_of_the_cache_has_is_mounted()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 6);
        var (first, second) = (await origin.Push("team/one", "1", image), await origin.Push("team/two", "1", image));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(first);

        var copied = await engine.Copy(second);

        await cache.AssertHas(second, image);
        Assert.Equal(0, copied.BytesCopied);
        Assert.All(origin.BlobDownloads().Values, times => Assert.Equal(1, times));
    }

    [Fact]
    public async Task Images_copied_at_once_that_share_layers_get_each_layer_once()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var shared = TestLayer.Random(7, 3_000_000);
        var images = Enumerable.Range(0, 6).Select(i => TestImage.Of([shared, TestLayer.Random(100 + i, 10_000)])).ToList();
        var names = await Task.WhenAll(images.Select((image, i) => origin.Push($"team/app{i % 3}", $"v{i}", image)));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        await Task.WhenAll(names.Concat(names).Select(engine.Copy));

        foreach (var (name, image) in names.Zip(images))
            await cache.AssertHas(name, image);
        Assert.All(origin.BlobDownloads().Values, times => Assert.Equal(1, times));
    }

    [Fact]
    public async Task A_lost_blob_is_copied_again()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 8);
        var name = await origin.Push("team/web", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        using (var http = cache.Client("any"))
            (await http.DeleteAsync(
                new Uri($"/v2/{Kuik.Contracts.CachePath.Of(Kuik.Contracts.ImageReference.Parse(name))}/blobs/{image.Layers[1].Digest}",
                    UriKind.Relative))).EnsureSuccessStatusCode();

        var copied = await engine.Copy(name);

        await cache.AssertHas(name, image);
        Assert.Equal(image.Layers[1].Bytes.Length, copied.BytesCopied);
    }

    [Fact]
    public async Task What_the_origin_does_not_have_is_gone_and_no_retry_helps()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy($"{origin.Host}/team/nothing:1"));

        Assert.Equal((CopyException.Gone, false), (failure.Kind, failure.RetryHelps));
        Assert.Contains($"GET http://{origin.Host}/v2/team/nothing/manifests/1: 404", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_origin_that_is_away_is_unreachable_and_a_retry_helps()
    {
        var cache = await Registry.Start();
        var port = FreePort.Next();
        await using var engine = await StartEngine.Run(cache, [$"127.0.0.1:{port}"]);

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy($"127.0.0.1:{port}/team/web:1"));

        Assert.Equal((CopyException.Unreachable, true), (failure.Kind, failure.RetryHelps));
    }

    [Fact]
    public async Task A_cache_that_is_away_is_the_caches_fault()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var name = await origin.Push("team/web", "1", TestImage.Small(seed: 9));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await cache.Stop();

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Equal((CopyException.Cache, true), (failure.Kind, failure.RetryHelps));
        await cache.Restart();
        await engine.Copy(name);
    }
}
