using Kuik.Contracts;
using Xunit;

namespace Kuik.Tests.Contracts;

public sealed class CachePathTests
{
    private const string Digest = "sha256:5b16a13a9ed9e4d1d7f1e4f5c0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3";

    [Theory]
    [InlineData("alpine", "docker.io/library/alpine")]
    [InlineData("docker.io/library/alpine", "docker.io/library/alpine")]
    [InlineData("index.docker.io/library/alpine:3.14", "docker.io/library/alpine")]
    [InlineData("some-gitlab-registry.com:5000/group/another-group/project/backend",
        "some-gitlab-registry.com_5000/group/another-group/project/backend")]
    [InlineData("my_5000/foo", "docker.io/my_5000/foo")]
    [InlineData("registry:5000/foo", "registry_5000/foo")]
    [InlineData("localhost/foo", "localhost/foo")]
    public void An_images_repository_has_a_path_with_its_host(string image, string path) =>
        Assert.Equal(path, CachePath.Of(ImageReference.Parse(image)));

    [Theory]
    [InlineData("docker.io/library/nginx", "docker.io/library/nginx")]
    [InlineData("docker.io/nginx", "docker.io/library/nginx")]
    [InlineData("nginx", "docker.io/library/nginx")]
    [InlineData("enix/app", "docker.io/enix/app")]
    [InlineData("index.docker.io/nginx", "docker.io/library/nginx")]
    [InlineData("reg.io_5000/a/b", "reg.io:5000/a/b")]
    [InlineData("registry_5000/foo", "registry:5000/foo")]
    [InlineData("docker.io/my_5000/foo", "docker.io/my_5000/foo")]
    [InlineData("harbor.corp-1/team/app", "harbor.corp-1/team/app")]
    [InlineData("127.0.0.1-5000/alpine", "127.0.0.1-5000/alpine")]
    [InlineData("localhost/foo", "localhost/foo")]
    [InlineData("localhost_5000/foo", "localhost:5000/foo")]
    public void A_path_reads_back_as_one_repository(string path, string name)
    {
        Assert.True(CachePath.TryRead(path, Digest, out var image, out _));

        Assert.Equal(name, image.Name);
        Assert.Equal(Digest, image.Target);
    }

    [Theory]
    [InlineData("", "1")]
    [InlineData("/", "1")]
    [InlineData("reg.io/", "1")]
    [InlineData("reg.io/../secret", "1")]
    [InlineData("reg.io/Foo", "1")]
    [InlineData("REGISTRY/foo", "1")]
    [InlineData("a..b", "1")]
    [InlineData("reg.io/foo", "")]
    [InlineData("reg.io/foo", "sha256:abc")]
    [InlineData("reg.io/foo", "../1")]
    public void What_is_no_path_is_refused_with_a_reason(string path, string target)
    {
        Assert.False(CachePath.TryRead(path, target, out var image, out var problem));

        Assert.Null(image);
        Assert.NotEmpty(problem);
    }
}
