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
    public void A_platform_is_read_as_people_write_it(string text, string read) => Assert.Equal(read, Platform.TryParse(text)?.ToString());

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("linux/")]
    [InlineData("linux/amd64/v1/more")]
    [InlineData("linux amd64")]
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
    [InlineData("linux/s390x", "linux/amd64", "")]
    [InlineData("linux/amd64", "- linux/amd64 -", "linux/amd64")]   // attestations, and entries without a platform
    public void A_wanted_platform_means_these_entries(string wanted, string entries, string chosen)
    {
        var platforms = entries.Split(' ').Select(text => text == "-" ? null : AsWritten(text)).ToList();

        var found = Platform.Choose(Platform.TryParse(wanted)!, platforms, platform => platform);

        Assert.Equal(chosen, string.Join(' ', found));
    }

    private static Platform AsWritten(string text) => text.Split('/') is [var os, var architecture, .. var variant]
        ? new Platform(os, architecture, variant.SingleOrDefault())
        : throw new FormatException(text);
}
