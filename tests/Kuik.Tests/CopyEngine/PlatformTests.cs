using Kuik.ImageFetcher.CopyEngine;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public class PlatformTests
{
    [Theory]
    [InlineData("linux/amd64", "linux/amd64")]
    [InlineData("amd64", "linux/amd64")]            // v1 named architectures alone
    [InlineData("x86_64", "linux/amd64")]
    [InlineData("aarch64", "linux/arm64")]
    [InlineData("armhf", "linux/arm/v7")]
    [InlineData("Linux/ARM/v6", "linux/arm/v6")]
    [InlineData("windows/amd64", "windows/amd64")]
    [InlineData("windows(10.0.20348)/amd64", "windows(10.0.20348)/amd64")]   // as containerd writes it
    [InlineData("Windows(10.0.17763.5122)/x86_64", "windows(10.0.17763.5122)/amd64")]
    public void A_platform_is_read_as_people_write_it(string text, string read) => Assert.Equal(read, Platform.TryParse(text)?.ToString());

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("linux/")]
    [InlineData("linux/amd64/v1/more")]
    [InlineData("linux amd64")]
    [InlineData("windows()/amd64")]
    [InlineData("windows(10.0/amd64")]
    [InlineData("windows(10.0)")]
    [InlineData("(10.0)/amd64")]
    [InlineData("amd64(10.0)/windows(10.0)")]
    public void What_is_no_platform_is_none(string text) => Assert.Null(Platform.TryParse(text));

    [Theory]
    [InlineData("linux/amd64", "linux/amd64 linux/arm64", "linux/amd64")]
    [InlineData("linux/arm64", "linux/arm64/v8 linux/arm64/v9", "linux/arm64/v8")]
    [InlineData("linux/arm64/v8", "linux/arm64 linux/amd64", "linux/arm64")]
    [InlineData("linux/amd64", "linux/amd64 linux/amd64/v3", "linux/amd64")]
    [InlineData("linux/amd64/v3", "linux/amd64 linux/amd64/v3", "linux/amd64/v3")]
    [InlineData("linux/arm", "linux/arm/v6 linux/arm/v7", "linux/arm/v7")]
    [InlineData("linux/arm", "linux/arm/v5 linux/arm/v6", "linux/arm/v5 linux/arm/v6")]   // not the usual one: whichever the nodes need
    [InlineData("linux/arm/v7", "linux/arm/v6", "")]
    [InlineData("windows/amd64", "windows/amd64 windows/amd64 linux/amd64", "windows/amd64 windows/amd64")]   // two versions of Windows
    [InlineData("windows/amd64", "windows(10.0.17763.1)/amd64 windows(10.0.20348.1)/amd64",
        "windows(10.0.17763.1)/amd64 windows(10.0.20348.1)/amd64")]
    [InlineData("windows(10.0.20348)/amd64",
        "windows(10.0.17763.1)/amd64 windows(10.0.20348.1)/amd64 windows(10.0.20348.2)/amd64 windows(10.0.203480.1)/amd64 windows/amd64",
        "windows(10.0.20348.1)/amd64 windows(10.0.20348.2)/amd64")]
    [InlineData("windows(10.0.20348.1)/amd64", "windows(10.0.20348.1)/amd64 windows(10.0.20348.2)/amd64", "windows(10.0.20348.1)/amd64")]
    [InlineData("windows(10.0.20348.1)/amd64", "windows(10.0.20348)/amd64", "")]
    [InlineData("linux/s390x", "linux/amd64", "")]
    [InlineData("linux/amd64", "- linux/amd64 -", "linux/amd64")]   // attestations, and entries without a platform
    public void A_wanted_platform_means_these_entries(string wanted, string entries, string chosen)
    {
        var platforms = entries.Split(' ').Select(text => text == "-" ? null : AsWritten(text)).ToList();

        var found = Platform.Choose(Platform.TryParse(wanted)!, platforms, platform => platform);

        Assert.Equal(chosen, string.Join(' ', found));
    }

    // Not normalised, as an index has it.
    private static Platform AsWritten(string text)
    {
        var (os, architecture, variant) = text.Split('/') is [var first, var second, .. var third]
            ? (first, second, third.SingleOrDefault())
            : throw new FormatException(text);
        return os.Split('(', ')') is [var name, var version, ""]
            ? new Platform(name, architecture, variant, version)
            : new Platform(os, architecture, variant);
    }
}
