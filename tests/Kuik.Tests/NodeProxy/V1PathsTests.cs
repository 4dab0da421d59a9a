using System.Net;
using System.Net.Sockets;
using Kuik.NodeProxy;
using Kuik.Oci;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class V1PathsTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/v2/reg.io-5000/a/b/manifests/V1", "reg.io-5000", "/v2/reg.io_5000/a/b/manifests/V1")]
    [InlineData("/v2/127.0.0.1-5000/x/blobs/sha256:1", "127.0.0.1-5000", "/v2/127.0.0.1_5000/x/blobs/sha256:1")]
    [InlineData("/v2/reg-5000.enix.io-5000/x/manifests/1", "reg-5000.enix.io-5000", "/v2/reg-5000.enix.io_5000/x/manifests/1")]
    public void The_last_dash_of_a_host_is_before_its_port(string path, string host, string translated)
    {
        Assert.True(V1Paths.TryTranslate(path, out var found, out var asKuik));
        Assert.Equal((host, translated), (found, asKuik));
    }

    [Theory]
    [InlineData("/v2/registry-5000/foo/manifests/1")]   // Docker Hub's, to v1 too
    [InlineData("/v2/reg.io_5000/a/manifests/1")]
    [InlineData("/v2/reg.io/a-5000/manifests/1")]
    [InlineData("/v2/reg.io-500000/a/manifests/1")]
    [InlineData("/v2/harbor.corp-x1/a/manifests/1")]
    [InlineData("/v2/reg.io-5000")]
    [InlineData("/v2/")]
    public void Other_paths_are_left_alone(string path) => Assert.False(V1Paths.TryTranslate(path, out _, out _));

    [Fact]
    public async Task A_host_of_that_whole_name_wins_and_is_looked_up_once_in_five_minutes()
    {
        var (time, lookups) = (new FakeTimeProvider(), 0);
        var resolver = new AddressResolver(_ => Interlocked.Increment(ref lookups) > 0 ? [IPAddress.Loopback] : [], time);
        var paths = new V1Paths(resolver, time);

        Assert.True(await paths.Exists("harbor.corp-1", Stop));
        Assert.True(await paths.Exists("harbor.corp-1", Stop));
        Assert.Equal(1, lookups);
        time.Advance(TimeSpan.FromMinutes(6));
        Assert.True(await paths.Exists("harbor.corp-1", Stop));
        Assert.Equal(2, lookups);
    }

    [Theory]
    [InlineData(SocketError.HostNotFound, 1)]
    [InlineData(SocketError.TryAgain, 2)]   // doubt is not remembered
    public async Task A_name_that_DNS_does_not_have_is_a_host_and_a_port(SocketError error, int lookupsForTwo)
    {
        var (time, lookups) = (new FakeTimeProvider(), 0);
        var resolver = new AddressResolver(
            _ => Interlocked.Increment(ref lookups) > 0 ? throw new SocketException((int)error) : [], time);
        var paths = new V1Paths(resolver, time);

        Assert.False(await paths.Exists("reg.io-5000", Stop));
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.False(await paths.Exists("reg.io-5000", Stop));

        Assert.Equal(lookupsForTwo, lookups);
    }
}
