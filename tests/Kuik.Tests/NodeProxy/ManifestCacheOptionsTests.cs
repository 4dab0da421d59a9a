using Kuik.Hosting;
using Kuik.NodeProxy;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class ManifestCacheOptionsTests
{
    [Fact]
    public void Nothing_has_to_be_set() => Assert.Equal(new ManifestCacheOptions(), Read());

    [Fact]
    public void The_limit_may_have_a_unit_and_staleness_may_be_off()
    {
        var settings = Read(("Kuik:Proxy:MemoryLimit", "4Mi"), ("Kuik:Proxy:StaleTime", "00:00:00"));

        Assert.Equal((4L << 20, TimeSpan.Zero), (settings.LimitInBytes, settings.StaleTime));
    }

    [Theory]
    [InlineData("Kuik:Proxy:MemoryLimit", "2Gi")]
    [InlineData("Kuik:Proxy:MemoryLimit", "0")]
    [InlineData("Kuik:Proxy:MemoryTime", "00:01:01")]
    [InlineData("Kuik:Proxy:MemoryTime", "5")]
    [InlineData("Kuik:Proxy:MissTime", "00:00:11")]
    [InlineData("Kuik:Proxy:StaleTime", "1.00:00:01")]
    [InlineData("Kuik:Proxy:StaleWait", "00:00:00")]
    public void A_wrong_setting_is_refused_by_name(string key, string value) =>
        Assert.StartsWith(key, Assert.Throws<InvalidSettingException>(() => Read((key, value))).Message, StringComparison.Ordinal);

    private static ManifestCacheOptions Read(params (string Key, string Value)[] settings) => ManifestCacheOptions.From(
        new ConfigurationBuilder().AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value))).Build());
}
