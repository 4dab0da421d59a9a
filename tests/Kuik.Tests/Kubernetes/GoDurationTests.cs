using Kuik.Kubernetes;
using Xunit;

namespace Kuik.Tests.Kubernetes;

public sealed class GoDurationTests
{
    [Theory]
    [InlineData("24h", 86_400)]
    [InlineData("1h30m", 5_400)]
    [InlineData("1.5h", 5_400)]
    [InlineData("90s", 90)]
    [InlineData("1500ms", 1.5)]
    [InlineData("-1m", -60)]
    [InlineData("0", 0)]
    public void A_duration_of_Go_is_read(string text, double seconds)
    {
        Assert.True(GoDuration.TryParse(text, out var duration));
        Assert.Equal(TimeSpan.FromSeconds(seconds), duration);
    }

    [Theory]
    [InlineData("")]
    [InlineData("24")]
    [InlineData("1d")]
    [InlineData("1 h")]
    [InlineData("h")]
    [InlineData("99999999999h")]
    public void Anything_else_is_not(string text) => Assert.False(GoDuration.TryParse(text, out _));
}
