using System.IO.Hashing;
using Kuik.Contracts;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>The checksum that lies beside each large blob in the cache, from its copy to its eviction.</summary>
public sealed class ChecksumWriterTests
{
    private static readonly TestLayer Large = TestLayer.Random(seed: 71, (int)BlobChecksum.WorthIt + 1_000_000);
    private static readonly TestImage Image = TestImage.Of([Large]);
    private static readonly TestBlob Layer = Image.Layers[0];

    [Fact]
    public async Task A_large_blob_gets_the_checksum_of_its_bytes_and_a_small_one_none()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var name = await origin.Push("team/web", "1", Image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        await engine.Copy(name);

        Assert.Equal(new BlobChecksum(Layer.Digest, Layer.Bytes.Length, Convert.ToHexStringLower(XxHash128.Hash(Layer.Bytes))),
            await Checksum(cache, name));
        Assert.Equal(new[] { "1", CacheTags.OfChecksum(Layer.Digest), CacheTags.OfManifest(Image.Digest) }.Order(StringComparer.Ordinal),
            await cache.Tags(name));
    }

    [Fact]
    public async Task A_mounted_blob_brings_its_checksum_along()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var (name, other) = (await origin.Push("team/web", "1", Image), await origin.Push("team/other", "1", Image));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        var checksum = await Checksum(cache, name);

        var copied = await engine.Copy(other);

        Assert.Equal(0, copied.BytesCopied);
        Assert.Equal(checksum, await Checksum(cache, other));
    }

    [Fact]
    public async Task It_stays_for_as_long_as_a_manifest_has_the_blob_and_goes_with_the_last_one()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var (first, second) = (await origin.Push("team/web", "1", Image),
            await origin.Push("team/web", "2", TestImage.Of([Large, TestLayer.Random(seed: 72, 1000)])));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(first);
        await engine.Copy(second);
        await Checksum(cache, first);

        await engine.TagEviction.Evict(ImageReference.Parse(first), default);
        await cache.CollectGarbage(deleteUntagged: true);
        Assert.Contains(CacheTags.OfChecksum(Layer.Digest), await cache.Tags(second));

        await engine.TagEviction.Evict(ImageReference.Parse(second), default);
        Assert.Empty(await cache.Tags(second));
        await cache.CollectGarbage();
        Assert.Null(await cache.Blob(second, Layer.Digest));
    }

    [Fact]
    public async Task A_blob_that_rots_in_the_caches_storage_is_noticed_by_it_and_comes_from_the_origin()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var name = await origin.Push("team/web", "1", Image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        await Checksum(cache, name);
        using var client = new HttpClient
        { BaseAddress = (await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint)).Endpoint };
        var path = $"/v2/{CachePath.Of(ImageReference.Parse(name))}/blobs/{Layer.Digest}";
        Assert.Equal(Layer.Bytes, await client.GetByteArrayAsync(path));

        await using (var stored =
            File.OpenWrite(Path.Combine(cache.DataFolder, "docker/registry/v2/blobs/sha256", Layer.Digest[7..9], Layer.Digest[7..],
                "data")))
        {
            stored.Position = 2_000_000;
            stored.WriteByte((byte)~Layer.Bytes[2_000_000]);
        }

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetByteArrayAsync(path));
        Assert.Equal(Layer.Bytes, await client.GetByteArrayAsync(path));
    }

    [Fact]
    public async Task It_cannot_be_pulled_as_an_image()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var name = await origin.Push("team/web", "1", Image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        var checksum = await Checksum(cache, name);
        using var client = new HttpClient
        { BaseAddress = (await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint)).Endpoint };
        var path = $"/v2/{CachePath.Of(ImageReference.Parse(name))}";

        using var byTag = await client.GetAsync($"{path}/manifests/{CacheTags.OfChecksum(Layer.Digest)}");
        using var byDigest = await client.GetAsync($"{path}/manifests/{Digest.Sha256(checksum.ToManifest())}");

        Assert.Equal((404, 404), ((int)byTag.StatusCode, (int)byDigest.StatusCode));
        Assert.EndsWith("""/team/web","tags":["1"]}""", await client.GetStringAsync($"{path}/tags/list"), StringComparison.Ordinal);
    }

    private static async Task<BlobChecksum> Checksum(Registry cache, string name)
    {
        await Eventually.True(async () => await cache.Manifest(name, CacheTags.OfChecksum(Layer.Digest)) is not null,
            "the checksum is kept");
        return BlobChecksum.Parse((await cache.Manifest(name, CacheTags.OfChecksum(Layer.Digest)))!.Value.Bytes)!;
    }
}
