using Kuik.Contracts;
using Xunit;

namespace Kuik.Tests.Contracts;

/// <summary>The grammar of distribution/reference, as far as Kuik can keep its promises for what it names.</summary>
public sealed class ImageReferenceTests
{
    private const string Hex = "5b16a13a9ed9e4d1d7f1e4f5c0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3";

    [Theory]
    [InlineData("nginx", "docker.io/library/nginx:latest")]
    [InlineData("nginx:1.27", "docker.io/library/nginx:1.27")]
    [InlineData("enix/kube-image-keeper:1.0", "docker.io/enix/kube-image-keeper:1.0")]
    [InlineData("docker.io/nginx", "docker.io/library/nginx:latest")]
    [InlineData("docker.io/library/nginx", "docker.io/library/nginx:latest")]
    [InlineData("docker.io/library", "docker.io/library/library:latest")]
    [InlineData("docker.io", "docker.io/library/docker.io:latest")]
    [InlineData("index.docker.io/nginx", "docker.io/library/nginx:latest")]
    [InlineData("index.docker.io/library/alpine:3.14", "docker.io/library/alpine:3.14")]
    [InlineData("registry-1.docker.io/nginx", "docker.io/library/nginx:latest")]
    [InlineData("registry.hub.docker.com/enix/x2:1", "docker.io/enix/x2:1")]
    [InlineData("mydocker.io/nginx", "mydocker.io/nginx:latest")]
    [InlineData("quay.io/jetstack/cert-manager-controller:v1.13.2", "quay.io/jetstack/cert-manager-controller:v1.13.2")]
    [InlineData("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9")]
    [InlineData("reg.io:5000/a/b", "reg.io:5000/a/b:latest")]
    [InlineData("reg.io:5000/a/b:V1", "reg.io:5000/a/b:V1")]
    [InlineData("reg.io/x:1", "reg.io/x:1")]
    [InlineData("registry:5000/foo", "registry:5000/foo:latest")]
    [InlineData("my_5000/foo", "docker.io/my_5000/foo:latest")]
    [InlineData("REG.IO/aa:1", "reg.io/aa:1")]
    [InlineData("Registry:5000/aa", "registry:5000/aa:latest")]
    [InlineData("localhost/foo:1", "localhost/foo:1")]
    [InlineData("localhost:5000/foo:1", "localhost:5000/foo:1")]
    [InlineData("127.0.0.1:5000/foo", "127.0.0.1:5000/foo:latest")]
    [InlineData("xn--7o8h.com/myimage", "xn--7o8h.com/myimage:latest")]
    [InlineData("a--b/c---d:1", "docker.io/a--b/c---d:1")]
    [InlineData("host:5000", "docker.io/library/host:5000")]
    [InlineData("reg.io/a.b_c__d:_1", "reg.io/a.b_c__d:_1")]
    [InlineData($"nginx@sha256:{Hex}", $"docker.io/library/nginx@sha256:{Hex}")]
    [InlineData($"reg.io:5000/a/b@sha512:{Hex}{Hex}", $"reg.io:5000/a/b@sha512:{Hex}{Hex}")]
    [InlineData($"reg.io/{Hex}", $"reg.io/{Hex}:latest")]
    [InlineData($"{Hex}:1", $"docker.io/library/{Hex}:1")]
    public void A_reference_is_normalised_as_container_runtimes_do(string written, string normalised) =>
        Assert.Equal(normalised, ImageReference.Parse(written).ToString());

    [Fact]
    public void A_tag_beside_a_digest_is_dropped_so_that_one_digest_is_one_image()
    {
        var withTag = ImageReference.Parse($"nginx:1.27@sha256:{Hex}");
        var without = ImageReference.Parse($"docker.io/library/nginx@sha256:{Hex}");

        Assert.Equal(without, withTag);
        Assert.Null(withTag.Tag);
        Assert.Equal($"sha256:{Hex}", withTag.Target);
    }

    [Theory]
    [InlineData("", "is not a repository")]
    [InlineData(" nginx", "is not a repository")]
    [InlineData("nginx\n", "is not a repository")]
    [InlineData("nginx:1\n", "is not a tag")]
    [InlineData("Alpine:3", "must be lower case")]
    [InlineData("reg.io/Foo:1", "must be lower case")]
    [InlineData("a:b:c", "is not a repository")]
    [InlineData("invalid:image:8080", "is not a repository")]
    [InlineData(":::://::", "is not a tag")]
    [InlineData("@@@", "is not a digest")]
    [InlineData("nginx:", "is not a tag")]
    [InlineData("nginx:-1", "is not a tag")]
    [InlineData("nginx@", "is not a digest")]
    [InlineData("nginx@sha256:abc", "is not a digest")]
    [InlineData($"nginx@sha256:{Hex}@sha256:{Hex}", "is not a digest")]
    [InlineData($"nginx@md5:{Hex}", "is not a digest")]
    [InlineData("reg.io/", "is not a repository")]
    [InlineData("/nginx", "is not a repository")]
    [InlineData("reg.io//nginx", "is not a repository")]
    [InlineData("reg.io/a__-b", "is not a repository")]
    [InlineData("reg.io/a_", "is not a repository")]
    [InlineData("http://reg.io/a", "is not a registry host")]
    [InlineData("-reg.io/a", "is not a registry host")]
    [InlineData("reg.io:port/a", "is not a registry host")]
    [InlineData("reg.io:0/a", "\"0\" in the host \"reg.io:0\" is not a port (1 to 65535)")]
    [InlineData("reg.io:65536/a", "is not a port")]
    [InlineData("reg.io:70000/a", "is not a port")]
    [InlineData("user@reg.io/a", "is not a digest")]
    [InlineData("[::1]:5000/foo:1", "IPv6 literal")]
    [InlineData("[2001:db8::1]/foo", "IPv6 literal")]
    [InlineData("REGISTRY/foo", "neither a dot nor a port")]
    [InlineData(Hex, "image id")]
    public void What_is_no_reference_is_refused_with_the_reason(string written, string reason)
    {
        Assert.False(ImageReference.TryParse(written, out var image, out var problem));

        Assert.Null(image);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_of_255_characters_is_accepted_and_one_of_256_is_not()
    {
        var longest = "reg.io/" + new string('a', 248);

        Assert.Equal(longest, ImageReference.Parse(longest + ":" + new string('t', 128)).Name);
        Assert.False(ImageReference.TryParse(longest + "a", out _, out var problem));
        Assert.Contains("256 characters long", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tag_of_128_characters_is_accepted_and_one_of_129_is_not()
    {
        Assert.True(ImageReference.TryParse("nginx:" + new string('t', 128), out _, out _));
        Assert.False(ImageReference.TryParse("nginx:" + new string('t', 129), out _, out _));
    }

    [Fact]
    public void Parse_says_what_was_given_and_why_it_is_refused()
    {
        var refused = Assert.Throws<FormatException>(() => ImageReference.Parse("Alpine:3"));

        Assert.Equal("\"Alpine:3\" is not an image reference: the repository \"library/Alpine\" must be lower case", refused.Message);
    }

    [Theory]
    [InlineData("docker.io", "library/nginx", "1.27", "docker.io/library/nginx:1.27")]
    [InlineData("docker.io", "nginx", "1.27", "docker.io/library/nginx:1.27")]
    [InlineData("index.docker.io", "nginx", "1.27", "docker.io/library/nginx:1.27")]
    [InlineData("reg.io:5000", "nginx", "1.27", "reg.io:5000/nginx:1.27")]
    [InlineData("REG.io", "nginx", $"sha256:{Hex}", $"reg.io/nginx@sha256:{Hex}")]
    public void A_reference_made_of_parts_is_the_same_as_the_parsed_one(string host, string repository, string target, string normalised)
    {
        Assert.True(ImageReference.TryCreate(host, repository, target, out var image, out _));

        Assert.Equal(ImageReference.Parse(normalised), image);
    }

    [Theory]
    [InlineData("team", "app", "1")]
    [InlineData("reg.io", "App", "1")]
    [InlineData("reg.io:70000", "app", "1")]
    [InlineData("reg.io:0", "app", "1")]
    [InlineData("reg.io", "app", "-1")]
    [InlineData("reg.io", "app", "sha256:abc")]
    [InlineData("", "app", "1")]
    public void Parts_that_make_no_reference_are_refused(string host, string repository, string target) =>
        Assert.False(ImageReference.TryCreate(host, repository, target, out _, out _));

    [Fact]
    public void The_same_repository_under_another_target()
    {
        var image = ImageReference.Parse("reg.io/app:1");

        Assert.Equal(ImageReference.Parse("reg.io/app:2"), image.With("2"));
        Assert.Equal(ImageReference.Parse($"reg.io/app@sha256:{Hex}"), image.With($"sha256:{Hex}"));
    }
}
