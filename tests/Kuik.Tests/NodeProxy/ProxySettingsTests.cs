using Kuik.Hosting;
using Kuik.NodeProxy;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class ProxySettingsTests
{
    [Fact]
    public void Nothing_has_to_be_set()
    {
        var settings = Read();

        Assert.Equal((7439, "http://localhost:5000/", null), (settings.Port, settings.Cache.AbsoluteUri, settings.Fetcher));
        Assert.Equal(["http://127.0.0.1:7440"], settings.MetricsUrls);
    }

    [Fact]
    public void The_cache_is_read_where_it_is_written_unless_told_otherwise()
    {
        Assert.Equal("http://r:1/", Read(("Kuik:Cache:Endpoint", "http://r:1")).Cache.AbsoluteUri);
        Assert.Equal("http://r:2/", Read(("Kuik:Cache:Endpoint", "http://r:1"), ("Kuik:Cache:ReadEndpoint", "http://r:2")).Cache.AbsoluteUri);
    }

    [Fact]
    public void Previous_ports_are_ours_too() =>
        Assert.Equal([7000, 7001, 7002], Read(("Kuik:Proxy:Port", "7000"), ("Kuik:Proxy:PreviousPorts", "7001,7002,7000")).OwnPorts);

    [Theory]
    [InlineData("Kuik:Proxy:Port", "http")]
    [InlineData("Kuik:Proxy:PreviousPorts", "1,x")]
    [InlineData("Kuik:Cache:ReadEndpoint", "registry:5000")]
    [InlineData("Kuik:Cache:Redirects", "maybe")]
    [InlineData("Kuik:Proxy:CacheLimit", "5")]
    [InlineData("Kuik:Proxy:OriginBlobs", "0")]
    [InlineData("Kuik:Proxy:AllowedOrigins", "https://docker.io")]
    [InlineData("Kuik:Proxy:DeniedOrigins", "*")]
    [InlineData("Kuik:Proxy:TagFreshness", "60")]
    [InlineData("Kuik:Proxy:TagPatience", "0")]
    public void A_wrong_setting_is_refused_by_name(string key, string value)
    {
        var wrong = Assert.Throws<WrongSetting>(() => Read((key, value)));

        Assert.StartsWith(key, wrong.Message, StringComparison.Ordinal);
    }

    private static ProxySettings Read(params (string Key, string Value)[] settings) => ProxySettings.Read(
        new ConfigurationBuilder().AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value))).Build());
}
