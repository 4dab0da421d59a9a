using Kuik.Hosting;
using Xunit;

namespace Kuik.Tests.Hosting;

public sealed class BuildInfoTests
{
    [Fact]
    public void A_build_has_the_labels_of_v1()
    {
        var build = BuildInfo.Of(typeof(BuildInfo).Assembly);

        var labels = build.Tags.ToArray().ToDictionary(tag => tag.Key, tag => (string)tag.Value!);
        Assert.Equal(1, build.Value);
        Assert.Equal(["built", "goarch", "goos", "goversion", "revision", "version"], labels.Keys.Order(StringComparer.Ordinal));
        Assert.Equal("linux", labels["goos"]);
        Assert.Matches("^(amd64|arm64)$", labels["goarch"]);
        Assert.StartsWith(".NET ", labels["goversion"], StringComparison.Ordinal);
        Assert.Matches(@"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$", labels["built"]);
        Assert.Matches(@"^\d+\.\d+\.\d+[^+]*$", labels["version"]);
    }
}
