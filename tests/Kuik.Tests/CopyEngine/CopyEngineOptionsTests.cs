using Kuik.Hosting;
using Kuik.ImageFetcher.CopyEngine;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public class CopyEngineOptionsTests
{
    [Fact]
    public void Without_settings_the_documented_defaults_apply()
    {
        var settings = Read();

        Assert.Equal(new Uri("http://localhost:5000"), settings.CacheEndpoint);
        Assert.Equal(["linux/amd64"], settings.Platforms.Select(platform => platform.ToString()));
        Assert.Equal((4, 8, 20L << 30, false),
            (settings.MaxConcurrentBlobs, settings.MaxConcurrentPerHost, settings.SpoolLimitInBytes, settings.AcceptsSparseIndexes));
        Assert.False(settings.Referrers);
        Assert.Empty(settings.Peers);
        Assert.Null(settings.CacheCredential);
    }

    [Theory]
    [InlineData("1000", 1000)]
    [InlineData("10Ki", 10L << 10)]
    [InlineData("512 MiB", 512L << 20)]
    [InlineData("20Gi", 20L << 30)]
    [InlineData("2TiB", 2L << 40)]
    [InlineData("1000B", 1000)]
    [InlineData("20G", 20_000_000_000)]
    [InlineData("20GB", 20_000_000_000)]
    [InlineData("500M", 500_000_000)]
    [InlineData("500 MB", 500_000_000)]
    [InlineData("1T", 1_000_000_000_000)]
    [InlineData("64k", 64_000)]
    [InlineData("64kB", 64_000)]
    [InlineData(" 20Gi ", 20L << 30)]
    [InlineData("8388607Ti", 8388607L << 40)]
    public void A_size_may_have_a_unit(string text, long bytes) =>
        Assert.Equal(bytes, Read(("Kuik:Fetch:SpoolLimit", text)).SpoolLimitInBytes);

    [Theory]
    [InlineData("linux/amd64,amd64", "linux/amd64")]
    [InlineData("arm64,aarch64, linux/arm64", "linux/arm64")]
    [InlineData("linux/amd64,linux/arm64,x86_64", "linux/amd64,linux/arm64")]
    public void A_platform_in_two_spellings_is_one_platform(string text, string platforms) =>
        Assert.Equal(platforms.Split(','), Read(("Kuik:Platforms", text)).Platforms.Select(platform => platform.ToString()));

    [Fact]
    public void The_old_key_of_referrers_counts_where_the_new_one_is_not_set()
    {
        Assert.True(Read(("Kuik:Fetch:Followers", "true")).Referrers);
        Assert.True(Read(("Kuik:Fetch:Referrers", "true")).Referrers);
        Assert.False(Read(("Kuik:Fetch:Followers", "true"), ("Kuik:Fetch:Referrers", "false")).Referrers);
    }

    [Theory]
    [InlineData("Kuik:Fetch:SpoolLimit", "much")]
    [InlineData("Kuik:Fetch:SpoolLimit", "-1")]
    [InlineData("Kuik:Fetch:SpoolLimit", "0")]
    [InlineData("Kuik:Fetch:SpoolLimit", "0Gi")]
    [InlineData("Kuik:Fetch:SpoolLimit", "20K")]
    [InlineData("Kuik:Fetch:SpoolLimit", "20KB")]
    [InlineData("Kuik:Fetch:SpoolLimit", "20g")]
    [InlineData("Kuik:Fetch:SpoolLimit", "500m")]
    [InlineData("Kuik:Fetch:SpoolLimit", "20gib")]
    [InlineData("Kuik:Fetch:SpoolLimit", "20Gib")]
    [InlineData("Kuik:Fetch:SpoolLimit", "20GiBB")]
    [InlineData("Kuik:Fetch:SpoolLimit", "20GG")]
    [InlineData("Kuik:Fetch:SpoolLimit", "Gi")]
    [InlineData("Kuik:Fetch:SpoolLimit", "1.5Gi")]
    [InlineData("Kuik:Fetch:SpoolLimit", "1e9")]
    [InlineData("Kuik:Fetch:SpoolLimit", "2 0Gi")]
    [InlineData("Kuik:Fetch:SpoolLimit", "20,000")]
    [InlineData("Kuik:Fetch:SpoolLimit", "1P")]
    [InlineData("Kuik:Fetch:SpoolLimit", "8388608Ti")]
    [InlineData("Kuik:Fetch:SpoolLimit", "9223372036854775808")]
    [InlineData("Kuik:Fetch:MaxConcurrentBlobs", "0")]
    [InlineData("Kuik:Fetch:MaxConcurrentPerHost", "65")]
    [InlineData("Kuik:Platforms", "linux/amd64/v1/x")]
    [InlineData("Kuik:Fetcher:Peers", "ftp://replicas")]
    [InlineData("Kuik:Cache:Endpoint", "registry:5000")]
    [InlineData("Kuik:Cache:AcceptsSparseIndexes", "perhaps")]
    [InlineData("Kuik:Fetch:Referrers", "yes")]
    [InlineData("Kuik:Fetch:Followers", "yes")]
    [InlineData("Kuik:AllowedOrigins", "https://docker.io")]
    [InlineData("Kuik:Proxy:DeniedOrigins", "*")]
    [InlineData("Kuik:Platforms", "windows(10.0/amd64")]
    public void A_wrong_setting_is_named_with_its_value(string key, string value)
    {
        var wrong = Assert.Throws<InvalidSettingException>(() => Read((key, value)));

        Assert.Contains(key, wrong.Message, StringComparison.Ordinal);
        Assert.Contains($"\"{value}\"", wrong.Message, StringComparison.Ordinal);
    }

    private static CopyEngineOptions Read(params (string Key, string Value)[] settings) => CopyEngineOptions.From(
        new ConfigurationBuilder().AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value))).Build());
}
