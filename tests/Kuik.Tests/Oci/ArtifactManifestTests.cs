using System.Text;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>The exact bytes of manifests in existing caches; others would have other digests.</summary>
public sealed class ArtifactManifestTests
{
    [Fact]
    public void A_wrapper_of_an_index() => Assert.Equal(
        """{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.enix.kuik.index.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:aa","size":7}]}""",
        Text(new IndexWrapper("sha256:aa", MediaTypes.OciIndex, 7).ToManifest()));

    [Fact]
    public void A_tombstone() => Assert.Equal(
        """{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.enix.kuik.tombstone.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[],"annotations":{"removed":"docker.io/library/nginx:1"}}""",
        Text(new Tombstone("docker.io/library/nginx", "1").ToManifest()));

    [Fact]
    public void Its_config_is_the_empty_blob() =>
        Assert.Equal(ArtifactManifest.EmptyDigest, Digest.Sha256(ArtifactManifest.EmptyBlob.ToArray()));

    private static string Text(byte[] manifest) => Encoding.UTF8.GetString(manifest);
}
