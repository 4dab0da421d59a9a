using Kuik.Contracts;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.Oci;

public class CacheTagsOfImageTests
{
    private static readonly string Hex = new('a', 64);

    [Fact]
    public void An_image_named_by_tag_is_kept_by_that_tag_and_one_named_by_digest_by_a_pin()
    {
        Assert.Equal("1", CacheTags.OfImage(ImageReference.Parse("x/y:1")));
        Assert.Equal(CacheTags.OfPin("sha256:" + Hex), CacheTags.OfImage(ImageReference.Parse($"x/y@sha256:{Hex}")));
    }

    [Theory]
    [InlineData("sha256:", 64)]
    [InlineData("sha512:", 128)]
    public void Every_tag_of_ours_is_one_that_registries_take(string algorithm, int digits)
    {
        var digest = algorithm + new string('f', digits);

        Assert.True(ImageReference.IsTag(CacheTags.OfPin(digest)));
        Assert.True(ImageReference.IsTag(CacheTags.OfManifest(digest)));
        Assert.False(CacheTags.IsHold(CacheTags.OfPin(digest)));
    }
}
