using Kuik.Contracts;
using Xunit;

namespace Kuik.Tests.Contracts;

public sealed class LocalReferenceTests
{
    private const string Hex = "5b16a13a9ed9e4d1d7f1e4f5c0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3";

    [Theory]
    [InlineData("alpine", "localhost:7439/alpine")]
    [InlineData("alpine:3.16", "localhost:7439/alpine:3.16")]
    [InlineData("enix/app", "localhost:7439/enix/app")]
    [InlineData("docker.io/nginx:1", "localhost:7439/docker.io/nginx:1")]
    [InlineData("docker.io/library/nginx:1", "localhost:7439/docker.io/library/nginx:1")]
    [InlineData("registry.k8s.io/pause:3.9", "localhost:7439/registry.k8s.io/pause:3.9")]
    [InlineData("reg.io:5000/a/b:V1", "localhost:7439/reg.io_5000/a/b:V1")]
    [InlineData("registry:5000/foo", "localhost:7439/registry_5000/foo")]
    [InlineData("127.0.0.1:5000/foo", "localhost:7439/127.0.0.1_5000/foo")]
    [InlineData("reg.io/x:1", "localhost:7439/reg.io/x:1")]
    [InlineData($"nginx@sha256:{Hex}", $"localhost:7439/nginx@sha256:{Hex}")]
    [InlineData($"nginx:1.25@sha256:{Hex}", $"localhost:7439/nginx:1.25@sha256:{Hex}")]
    [InlineData($"reg.io:5000/app@sha512:{Hex}{Hex}", $"localhost:7439/reg.io_5000/app@sha512:{Hex}{Hex}")]
    public void An_image_stays_as_written_below_the_proxy(string written, string local)
    {
        Assert.True(LocalReference.TryWrite(written, 7439, out var actual, out _));

        Assert.Equal(local, actual);
    }

    [Theory]
    [InlineData("my_5000/foo", "localhost:7439/docker.io/my_5000/foo:latest")]
    [InlineData("index.docker.io/nginx:1", "localhost:7439/index.docker.io/nginx:1")]
    [InlineData("REG.IO/aa:1", "localhost:7439/reg.io/aa:1")]
    [InlineData("REG.IO:5000/aa", "localhost:7439/reg.io_5000/aa:latest")]
    [InlineData($"REG.IO/aa:1@sha256:{Hex}", $"localhost:7439/reg.io/aa@sha256:{Hex}")]
    public void An_image_is_written_in_full_where_it_would_read_back_as_another_or_no_runtime_would_accept_it(string written, string local)
    {
        Assert.True(LocalReference.TryWrite(written, 7439, out var actual, out _));

        Assert.Equal(local, actual);
        Assert.True(LocalReference.TryRead(actual, [7439], out var image));
        Assert.Equal(ImageReference.Parse(written), image);
    }

    [Theory]
    [InlineData("localhost:5000/foo:1", "localhost:5000 is a registry of the node itself")]
    [InlineData("localhost:7439/foo:1", "localhost:7439 is a registry of the node itself")]
    [InlineData("LOCALHOST:7439/foo:1", "localhost:7439 is a registry of the node itself")]
    [InlineData("localhost/foo", "localhost is a registry of the node itself")]
    [InlineData("[::1]:5000/foo:1", "IPv6 literal")]
    [InlineData("a:b:c", "is not a repository")]
    [InlineData("REGISTRY/foo", "neither a dot nor a port")]
    public void An_image_that_cannot_be_written_stays_with_a_reason(string written, string reason)
    {
        Assert.False(LocalReference.TryWrite(written, 7439, out var local, out var problem));

        Assert.Null(local);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_local_name_of_255_characters_is_written_and_a_longer_one_is_not()
    {
        var fits = "reg.io/" + new string('a', 255 - "localhost:7439/reg.io/".Length);

        Assert.True(LocalReference.TryWrite(fits + ":" + new string('t', 128), 7439, out _, out _));
        Assert.False(LocalReference.TryWrite(fits + "a:1", 7439, out _, out var problem));
        Assert.Equal("its local name would not be valid: the name is 256 characters long; 255 are allowed", problem);
    }

    [Fact]
    public void A_name_that_does_not_fit_in_full_is_not_written_where_it_needs_to_be()
    {
        // As written it would fit, but read back as the repository of the registry my:5000.
        var ambiguous = "my_5000/" + new string('a', 255 - "localhost:7439/my_5000/".Length);

        Assert.False(LocalReference.TryWrite(ambiguous, 7439, out _, out var problem));
        Assert.Contains("265 characters long", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("localhost:7439/nginx", "nginx")]
    [InlineData("localhost:1313/nginx:1", "nginx:1")]
    [InlineData("localhost:7439/my_5000/foo:1", "my:5000/foo:1")]
    [InlineData("localhost:7439/localhost_5000/foo:1", "localhost:5000/foo:1")]
    [InlineData($"localhost:7439/nginx:1@sha256:{Hex}", $"nginx@sha256:{Hex}")]
    public void A_local_reference_reads_back_as_its_image(string local, string image)
    {
        Assert.True(LocalReference.TryRead(local, [7439, 1313], out var actual));

        Assert.Equal(ImageReference.Parse(image), actual);
    }

    [Theory]
    [InlineData("nginx")]
    [InlineData("localhost/nginx")]
    [InlineData("localhost:5000/nginx")]
    [InlineData("reg.io:7439/nginx")]
    [InlineData("localhost:7439/")]
    [InlineData("localhost:7439/Nginx")]
    [InlineData("localhost:7439/nginx:")]
    [InlineData("localhost:7439/nginx@sha256:abc")]
    [InlineData("localhost:99999999/nginx")]
    [InlineData(" localhost:7439/nginx")]
    public void What_is_not_under_one_of_the_proxys_ports_is_not_read(string reference) =>
        Assert.False(LocalReference.TryRead(reference, [7439], out _));
}
