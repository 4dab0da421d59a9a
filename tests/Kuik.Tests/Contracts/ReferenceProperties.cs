using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Kuik.Contracts;
using Xunit;

namespace Kuik.Tests.Contracts;

/// <summary>Properties of every reference.</summary>
[Properties(Arbitrary = [typeof(ReferenceGenerator)], MaxTest = 1000)]
public sealed class ReferenceProperties
{
    private const string Digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

    private static readonly string[] Hosts =
        ["", "docker.io/", "index.docker.io/", "my_5000/", "my:5000/", "my-5000/", "my.io/", "my.io:5000/", "my.io-5000/", "my.io_5000/",
            "localhost/", "localhost_1/"];

    private static readonly string[] Repositories = ["a", "library/a", "library/library/a", "my_5000/a", "a/b", "a-b", "a_b", "a.b"];

    // An address that a path cannot hold; a host that would read back as something else; a port of six digits, above 65535 or 0; a digest
    // that cannot be verified; 255 characters
    // with the host, as older runtimes count.
    private static readonly string[] OurReasons =
        ["IPv6 literal", "neither a dot nor a port", "is not a registry host", "is not a port", "is not a digest", "characters long"];

    private static readonly string[] Targets = ["", ":latest", ":1", ":V1", ":v1", "@" + Digest, ":1@" + Digest];

    [Property]
    public void A_printed_reference_parses_to_the_same_image(ImageReference image) =>
        Assert.Equal(image, ImageReference.Parse(image.ToString()));

    [Property]
    public void Two_images_are_equal_exactly_when_they_print_the_same(ImageReference one, ImageReference other) =>
        Assert.Equal(one == other, one.ToString() == other.ToString());

    [Property]
    public void The_path_in_the_cache_reads_back_as_the_same_image(ImageReference image)
    {
        Assert.True(CachePath.TryRead(CachePath.Of(image), image.Target, out var readBack, out _));

        Assert.Equal(image, readBack);
    }

    [Property]
    public void No_two_images_share_a_path_and_a_target(ImageReference one, ImageReference other) =>
        Assert.Equal(one == other, (CachePath.Of(one), one.Target) == (CachePath.Of(other), other.Target));

    [Fact]
    public void Not_even_images_whose_names_are_made_to_look_alike()
    {
        // Chance rarely makes neighbours: these are all combinations of parts that differ in a separator only.
        var images =
            from host in Hosts
            from repository in Repositories
            from target in Targets
            let image = ImageReference.TryParse(host + repository + target, out var parsed, out _) ? parsed : null
            where image is not null
            select image;

        Assert.All(images.GroupBy(image => (CachePath.Of(image), image.Target)), same => Assert.Single(same.Distinct()));
        Assert.All(images.GroupBy(image => image.ToString()),
            same => Assert.Single(same.Select(image => (CachePath.Of(image), image.Target)).Distinct()));
        // Those that would have one object name: the first one takes it, and each of the others has one of its own.
        Assert.All(images.Distinct().GroupBy(ObjectName.Of),
            same => Assert.Equal(same.Count() + 1, same.Select(ObjectName.Distinct).Append(same.Key).Distinct().Count()));
    }

    [Property]
    public Property What_distribution_refuses_is_refused_and_what_more_is_refused_has_one_of_our_reasons() =>
        Prop.ForAll(Gen.OneOf(ReferenceGenerator.Written(), ReferenceGenerator.Mistyped()).ToArbitrary(), text =>
            ImageReference.TryParse(text, out _, out var problem)
                ? DistributionGrammar.Accepts(text)
                : !DistributionGrammar.Accepts(text) || OurReasons.Any(reason => problem.Contains(reason, StringComparison.Ordinal)));

    [Property]
    public Property A_local_reference_is_valid_and_reads_back_as_the_same_image_or_there_is_a_reason() =>
        Prop.ForAll(ReferenceGenerator.Written().ToArbitrary(), written =>
        {
            if (!LocalReference.TryWrite(written, 7439, out var local, out var problem))
                return problem.Length > 0 && local is null;
            return LocalReference.TryRead(local, [7439], out var readBack) && readBack == ImageReference.Parse(written)
                && ImageReference.TryParse(local, out var asARuntimeSeesIt, out _) && asARuntimeSeesIt.Host == "localhost:7439";
        });

    [Property]
    public Property What_node_proxy_is_asked_for_is_the_image_that_the_pod_wanted() =>
        Prop.ForAll(ReferenceGenerator.Written().ToArbitrary(), written =>
        {
            if (!LocalReference.TryWrite(written, 7439, out var local, out _))
                return true;
            // A runtime asks localhost:7439 for /v2/<repository>/manifests/<tag or digest>.
            var asked = ImageReference.Parse(local);
            return CachePath.TryRead(asked.Repository, asked.Target, out var image, out _) && image == ImageReference.Parse(written);
        });

    [Property]
    public Property Any_text_parses_or_is_refused_with_a_reason() =>
        Prop.ForAll(ArbMap.Default.ArbFor<string>(), text =>
            text is null || ImageReference.TryParse(text, out var image, out var problem) ? true : image is null && problem.Length > 0);

    [Property]
    public void An_object_name_is_a_valid_one(ImageReference image) =>
        Assert.All([ObjectName.Of(image), ObjectName.Distinct(image), ObjectName.OfRepository(image)], name =>
        {
            Assert.Matches(@"\A[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\z", name);
            Assert.InRange(name.Length, 1, ObjectName.Longest);
        });
}
