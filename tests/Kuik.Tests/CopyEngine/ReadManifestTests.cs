using System.Text;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public class ReadManifestTests
{
    private static readonly string A = "sha256:" + new string('a', 64);
    private static readonly string B = "sha256:" + new string('b', 64);

    [Fact]
    public void A_manifest_needs_its_configuration_and_each_layer_once()
    {
        var parts = ReadManifest.Parts(Manifest(MediaTypes.OciManifest, $$"""
            {"config":{"digest":"{{A}}","size":2},"layers":[{"digest":"{{B}}","size":10},{"digest":"{{B}}","size":10}]}
            """));

        Assert.Equal([new Part(A, 2, false), new Part(B, 10, false)], parts);
    }

    [Theory]
    [InlineData("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", """["https://example.com/layer"]""", true)]
    [InlineData("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", """["https://example.com/layer"]""", true)]
    [InlineData("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "[]", false)]    // nowhere else to get it
    [InlineData("application/vnd.oci.image.layer.v1.tar+gzip", """["https://example.com/layer"]""", false)]
    public void A_foreign_layer_is_one_by_type_with_addresses_of_its_own(string type, string urls, bool isForeign)
    {
        var parts = ReadManifest.Parts(
            Manifest(MediaTypes.DockerManifest, $$"""{"layers":[{"mediaType":"{{type}}","digest":"{{A}}","size":10,"urls":{{urls}}}]}"""));

        Assert.Equal(isForeign, Assert.Single(parts).IsForeign);
    }

    [Fact]
    public void Attestations_and_entries_without_a_platform_have_none()
    {
        var entries = ReadManifest.Entries(Manifest(MediaTypes.OciIndex, $$$"""
            {"manifests":[{"digest":"{{{A}}}","size":1,"platform":{"os":"linux","architecture":"arm","variant":"v7"}},
              {"digest":"{{{B}}}","size":1,"platform":{"os":"unknown","architecture":"unknown"},"annotations":{"vnd.docker.reference.type":"attestation-manifest"}},
              {"mediaType":"{{{MediaTypes.OciManifest}}}","digest":"{{{B}}}","size":1},
              {"mediaType":"application/vnd.example","digest":"{{{B}}}","size":1}]}
            """));

        Assert.Equal([new Platform("linux", "arm", "v7"), null, null, null], entries.Select(entry => entry.Platform));
        Assert.Equal([false, false, true, false], entries.Select(entry => entry.MayBeAny));
    }

    [Fact]
    public void The_version_of_an_operating_system_is_part_of_a_platform_and_its_features_are_not()
    {
        var entries = ReadManifest.Entries(Manifest(MediaTypes.OciIndex, $$$"""
            {"manifests":[{"digest":"{{{A}}}","size":1,"platform":{"os":"windows","architecture":"amd64","os.version":"10.0.20348.1","os.features":["win32k"]}}]}
            """));

        Assert.Equal([new Platform("windows", "amd64", null, "10.0.20348.1")], entries.Select(entry => entry.Platform));
    }

    [Theory]
    [InlineData(MediaTypes.OciManifest, "not JSON")]
    [InlineData(MediaTypes.OciManifest, """{"config":{"digest":"sha256:short","size":1}}""")]
    [InlineData(MediaTypes.OciManifest, """{"config":{"digest":"../../etc/passwd","size":1}}""")]
    [InlineData(MediaTypes.OciManifest, """{"config":{"size":1}}""")]
    [InlineData(MediaTypes.OciManifest, """{"layers":"none"}""")]
    [InlineData(MediaTypes.OciManifest, "[]")]
    [InlineData("application/vnd.docker.distribution.manifest.v1+prettyjws", "{}")]
    public void What_is_no_manifest_is_the_origins_fault_and_no_retry_helps(string type, string json)
    {
        var failure = Assert.Throws<CopyException>(() => ReadManifest.Parts(Manifest(type, json)));

        Assert.Equal((CopyException.Broken, false), (failure.Kind, failure.RetryHelps));
    }

    private static Manifest Manifest(string type, string json) =>
        new(Encoding.UTF8.GetBytes(json), type, Digest.Sha256(Encoding.UTF8.GetBytes(json)));
}
