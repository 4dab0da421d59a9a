using System.Net;
using Kuik.Hosting;
using Kuik.NodeProxy;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class ProxyOptionsTests
{
    [Fact]
    public void Nothing_has_to_be_set()
    {
        var settings = Read();

        Assert.Equal((7439, "http://localhost:5000/", null), (settings.Port, settings.Cache?.AbsoluteUri, settings.Fetcher));
        Assert.Equal(["http://127.0.0.1:7440"], settings.MetricsUrls);
    }

    [Fact]
    public void The_cache_is_read_where_it_is_written_unless_told_otherwise()
    {
        Assert.Equal("http://r:1/", Read(("Kuik:Cache:Endpoint", "http://r:1")).Cache?.AbsoluteUri);
        Assert.Equal("http://r:2/",
            Read(("Kuik:Cache:Endpoint", "http://r:1"), ("Kuik:Cache:ReadEndpoint", "http://r:2")).Cache?.AbsoluteUri);
    }

    [Fact]
    public void Pulls_are_answered_on_loopback_unless_addresses_are_named()
    {
        Assert.Empty(Read().ListenAddresses);
        Assert.Equal([IPAddress.Parse("10.0.0.7"), IPAddress.Parse("fd00::7")],
            Read(("Kuik:Proxy:ListenAddress", "10.0.0.7,fd00::7")).ListenAddresses);
    }

    [Fact]
    public void Previous_ports_are_ours_too() =>
        Assert.Equal([7000, 7001, 7002], Read(("Kuik:Proxy:Port", "7000"), ("Kuik:Proxy:PreviousPorts", "7001,7002,7000")).OwnPorts);

    [Theory]
    [InlineData("http://fd00:10:96::5:5000", "http://[fd00:10:96::5]:5000/")]
    [InlineData("http://fd00:10:96:0:0:0:0:5:5000", "http://[fd00:10:96::5]:5000/")]
    [InlineData("https://::1:5000/", "https://[::1]:5000/")]
    [InlineData("http://[fd00:10:96::5]:5000", "http://[fd00:10:96::5]:5000/")]
    [InlineData("http://10.96.0.5:5000", "http://10.96.0.5:5000/")]
    [InlineData("http://registry:5000/", "http://registry:5000/")]
    public void An_address_of_a_Service_is_understood_whatever_its_family(string setting, string address)
    {
        Assert.Equal(address, Read(("Kuik:Cache:ReadEndpoint", setting)).Cache?.AbsoluteUri);
        Assert.Equal(address, Read(("Kuik:Fetcher:Endpoint", setting)).Fetcher?.AbsoluteUri);
    }

    [Fact]
    public void A_Service_that_does_not_exist_means_no_address_and_no_crash()
    {
        var settings = Read(
            ("Kuik:Cache:ReadEndpoint", "http://$(KUIK_REGISTRY_READ_SERVICE_HOST):$(KUIK_REGISTRY_READ_SERVICE_PORT)"),
            ("Kuik:Fetcher:Endpoint", "http://$(KUIK_IMAGE_FETCHER_SERVICE_HOST):$(KUIK_IMAGE_FETCHER_SERVICE_PORT)"));

        Assert.Equal((null, null), (settings.Cache, settings.Fetcher));
    }

    [Theory]
    [InlineData("Kuik:Proxy:MaxOriginBlobs", "0")]
    [InlineData("Kuik:Proxy:OriginWait", "0")]
    [InlineData("Kuik:Proxy:OriginRate", "fast")]
    [InlineData("Kuik:Fetcher:Endpoint", "http://fd00:10:96::5:x")]
    [InlineData("Kuik:Proxy:Port", "http")]
    [InlineData("Kuik:Proxy:PreviousPorts", "1,x")]
    [InlineData("Kuik:Cache:ReadEndpoint", "registry:5000")]
    [InlineData("Kuik:Cache:Redirects", "maybe")]
    [InlineData("Kuik:Proxy:CacheLimit", "5")]
    [InlineData("Kuik:Proxy:OriginBlobs", "0")]
    [InlineData("Kuik:AllowedOrigins", "https://docker.io")]
    [InlineData("Kuik:DeniedOrigins", "*")]
    [InlineData("Kuik:Proxy:AllowedOrigins", "https://docker.io")]
    [InlineData("Kuik:Proxy:DeniedOrigins", "*")]
    [InlineData("Kuik:Proxy:ListenAddress", "localhost")]
    [InlineData("Kuik:Proxy:ListenAddress", "0.0.0.0")]
    [InlineData("Kuik:Proxy:ListenAddress", "10.0.0.7,::")]
    [InlineData("Kuik:Proxy:AcceptV1Paths", "yes")]
    [InlineData("Kuik:Proxy:TagFreshness", "60")]
    [InlineData("Kuik:Proxy:TagPatience", "0")]
    public void A_wrong_setting_is_refused_by_name(string key, string value)
    {
        var wrong = Assert.Throws<InvalidSettingException>(() => Read((key, value)));

        Assert.StartsWith(key, wrong.Message, StringComparison.Ordinal);
    }

    private static ProxyOptions Read(params (string Key, string Value)[] settings) => ProxyOptions.From(
        new ConfigurationBuilder().AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value))).Build());
}
