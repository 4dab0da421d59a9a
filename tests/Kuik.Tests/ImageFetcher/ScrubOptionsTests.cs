using Kuik.Hosting;
using Kuik.ImageFetcher.Scrubbing;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class ScrubOptionsTests
{
    [Theory]
    [InlineData(null, 50_000_000)]
    [InlineData("20M", 20_000_000)]
    [InlineData("1Gi", 1L << 30)]
    [InlineData("1000000", 1_000_000)]
    public void The_rate_is_a_size(string? text, long bytes) => Assert.Equal(bytes, Read(text).BytesPerSecond);

    [Theory]
    [InlineData("999k")]
    [InlineData("fast")]
    public void A_rate_under_a_megabyte_or_that_is_no_size_is_refused(string text) =>
        Assert.Contains("Kuik:Scrub:BytesPerSecond",
            Assert.Throws<InvalidSettingException>(() => Read(text)).Message, StringComparison.Ordinal);

    private static ScrubOptions Read(string? rate) => ScrubOptions.From(new ConfigurationBuilder()
        .AddInMemoryCollection([new("Kuik:Scrub:Folder", Path.GetTempPath()), new("Kuik:Scrub:BytesPerSecond", rate)]).Build());
}
