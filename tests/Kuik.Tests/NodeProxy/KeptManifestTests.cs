using System.Text;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.NodeProxy;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class KeptManifestTests
{
    private static readonly IndexWrapper Wrapper = new("sha256:" + new string('a', 64), MediaTypes.DockerManifestList, 1234);

    [Fact]
    public void A_wrapper_says_which_index_it_holds() =>
        Assert.Equal(new KeptManifest(Wrapper, IsTombstone: false), KeptManifest.Parse(Wrapper.ToManifest()));

    [Fact]
    public void A_tombstone_is_recognised_as_image_fetcher_writes_it()
    {
        var tombstone = new Tombstone("docker.io/library/nginx", "1.25").ToManifest();

        Assert.Equal(new KeptManifest(null, IsTombstone: true), KeptManifest.Parse(tombstone));
        Assert.True(CacheRegistry.IsTombstone(new Manifest(tombstone, MediaTypes.OciManifest, Digest.Sha256(tombstone))));
    }

    [Fact]
    public void The_checksum_of_a_blob_is_no_image() =>
        Assert.Equal(new KeptManifest(null, IsTombstone: false),
            KeptManifest.Parse(new BlobChecksum("sha256:" + new string('a', 64), 5_000_000, new string('0', 32)).ToManifest()));

    [Theory]
    [InlineData("""{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[]}""")]
    [InlineData("""{"annotations":{"artifactType":"application/vnd.enix.kuik.index.v1+json"}}""")]
    [InlineData("""{"artifactType":"something/else","config":{"mediaType":"application/vnd.enix.kuik.tombstone.v1+json"}}""")]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.\ud800"}""")]
    [InlineData("not json at all: application/vnd.enix.kuik.index.v1+json")]
    public void An_image_is_neither(string manifest) => Assert.Null(Read(manifest));

    [Theory]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.index.v1+json","layers":[]}""")]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.index.v1+json","layers":[{"mediaType":"text/plain","digest":"x","size":1}]}""")]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.index.v1+json","layers":[{"mediaType":3,"digest":{},"size":"x"}]}""")]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.index.v1+json","layers":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"x"}]}""")]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.index.v1+json","layers":[],"layers":[]}""")]
    public void A_broken_wrapper_holds_nothing_and_is_still_not_served(string manifest) =>
        Assert.Equal(new KeptManifest(null, IsTombstone: false), Read(manifest));

    private static KeptManifest? Read(string manifest) => KeptManifest.Parse(Encoding.UTF8.GetBytes(manifest));
}
