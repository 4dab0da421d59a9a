using System.IO.Hashing;
using System.Text;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.Oci;

public sealed class BlobChecksumTests
{
    private static readonly BlobChecksum Sum = new("sha256:" + new string('a', 64), 5_000_000, "99aa06d3014798d86001c324468d497f");

    [Fact]
    public void It_is_read_as_it_was_written() => Assert.Equal(Sum, BlobChecksum.Parse(Sum.ToManifest()));

    [Fact]
    // of no bytes, as xxhsum -H2 prints it
    public void It_is_XXH3_with_128_bits_most_significant_first() =>
        Assert.Equal("99aa06d3014798d86001c324468d497f", BlobChecksum.Compute(new XxHash128()));

    [Theory]
    [InlineData("not JSON")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"artifactType":5}""")]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.checksum.v1+json"}""")]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.checksum.v1+json","annotations":[]}""")]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.checksum.v1+json","annotations":{"digest":"sha256:aa","size":"many","xxh128":"99aa06d3014798d86001c324468d497f"}}""")]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.checksum.v1+json","annotations":{"digest":"sha256:aa","size":5,"xxh128":"99aa06d3014798d86001c324468d497f"}}""")]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.checksum.v1+json","annotations":{"digest":"sha256:aa","size":"5","xxh128":"99"}}""")]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.checksum.v1+json","annotations":{"digest":"sha256:aa","digest":"sha256:bb","size":"5","xxh128":"99aa06d3014798d86001c324468d497f"}}""")]
    [InlineData("""{"artifactType":"application/vnd.enix.kuik.index.v1+json","annotations":{"digest":"sha256:aa","size":"5","xxh128":"99aa06d3014798d86001c324468d497f"}}""")]
    public void Anything_else_is_none(string manifest) => Assert.Null(BlobChecksum.Parse(Encoding.UTF8.GetBytes(manifest)));
}
