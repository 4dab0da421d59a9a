using Kuik.Contracts;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.Oci;

public class CacheTagsOfImageTests
{
    private static readonly string Hex = new('a', 64);

    [Fact]
    public void Tag_digest_and_both_are_three_images_with_three_tags()
    {
        var tags = new[] { "x/y:1", $"x/y@sha256:{Hex}", $"x/y:1@sha256:{Hex}", $"x/y:2@sha256:{Hex}" }.Select(text => CacheTags.OfImage(ImageReference.Parse(text))).ToList();

        Assert.Equal("1", tags[0]);
        Assert.Equal(CacheTags.OfPin("sha256:" + Hex), tags[1]);
        Assert.Equal(4, tags.Distinct().Count());
        Assert.All(tags.Skip(1), tag => Assert.Equal("sha256:" + Hex, CacheTags.DigestOf(tag)));
        Assert.All(tags, tag => Assert.False(CacheTags.IsHold(tag)));
    }

    [Theory]
    [InlineData("sha256:", 64)]
    [InlineData("sha512:", 128)]
    public void Every_tag_is_one_that_registries_take(string algorithm, int digits) =>
        Assert.True(ImageReference.IsTag(CacheTags.OfImage(ImageReference.Parse($"x/y:{new string('t', 128)}@{algorithm}{new string('f', digits)}"))));
}
