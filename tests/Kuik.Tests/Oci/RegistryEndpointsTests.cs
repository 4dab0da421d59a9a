using Kuik.Hosting;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.Oci;

public class RegistryEndpointsTests
{
    [Theory]
    [InlineData("docker.io", "https://registry-1.docker.io/", true, false)]
    [InlineData("ghcr.io", "https://ghcr.io/", true, false)]
    [InlineData("registry.example:5000", "https://registry.example:5000/", true, false)]
    [InlineData("plain.example:5000", "http://plain.example:5000/", false, false)]
    [InlineData("plain.example", "https://plain.example/", true, false)]          // another port is another registry
    [InlineData("unverified.example", "https://unverified.example/", false, false)]
    [InlineData("either.example:5000", "https://either.example:5000/", false, true)]
    public void A_host_is_reached_as_the_settings_say(string host, string address, bool isVerified, bool mayBePlain)
    {
        var endpoints = new RegistryEndpoints(["http://plain.example:5000", "https://unverified.example/", "either.example:5000"]);

        Assert.Equal(new RegistryEndpoint(new Uri(address), isVerified, mayBePlain), endpoints.Of(host));
    }

    [Theory]
    [InlineData("ftp://registry")]
    [InlineData("http://registry/path")]
    [InlineData("a b")]
    [InlineData("")]
    public void An_entry_that_is_no_registry_is_refused(string entry) =>
        Assert.Throws<InvalidSettingException>(() => new RegistryEndpoints([entry]));
}
