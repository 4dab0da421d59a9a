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
        Assert.True(ImageReference.IsTag(CacheTags.OfChecksum(digest)) && CacheTags.IsOurs(CacheTags.OfChecksum(digest)));
        Assert.False(CacheTags.IsHold(CacheTags.OfPin(digest)) || CacheTags.IsHold(CacheTags.OfChecksum(digest)));
    }

    [Fact]
    public void Referrers_are_looked_for_under_the_referrers_tag_and_cosigns_tags()
    {
        Assert.Equal([$"sha256-{Hex}", $"sha256-{Hex}.sig", $"sha256-{Hex}.att", $"sha256-{Hex}.sbom"],
            CacheTags.OfReferrers("sha256:" + Hex));
        Assert.Empty(CacheTags.OfReferrers("sha512:" + Hex + Hex));
    }

    [Fact]
    public void A_referrers_tag_is_hidden_says_its_subject_and_is_one_that_registries_take() =>
        Assert.All(CacheTags.OfReferrers("sha256:" + Hex), tag =>
    {
        var hidden = CacheTags.OfCopiedReferrer(tag)!;

        Assert.Equal("sha256:" + Hex, CacheTags.SubjectOf(hidden));
        Assert.True(CacheTags.IsOurs(hidden) && ImageReference.IsTag(hidden));
        Assert.False(CacheTags.IsHold(hidden) || CacheTags.IsOurs(tag));
        Assert.Null(CacheTags.OfCopiedReferrer(hidden));
    });

    [Theory]
    [InlineData("1")]
    [InlineData("sha256-abc.sig")]
    [InlineData("sha256-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.other")]
    [InlineData("kuik-at-1")]
    public void Any_other_tag_is_not_a_referrers_tag(string tag)
    {
        Assert.Null(CacheTags.OfCopiedReferrer(tag));
        Assert.Null(CacheTags.SubjectOf(tag));
        Assert.False(CacheTags.IsOurs(tag));
    }
}
