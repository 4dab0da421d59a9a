using Kuik.NodeProxy;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class ManifestEndpointTests
{
    private const string Digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    [Theory]
    [InlineData("\"" + Digest + "\"", true)]
    [InlineData("W/\"" + Digest + "\"", true)]
    [InlineData(Digest, true)]
    [InlineData("\"other\", \"" + Digest + "\"", true)]
    [InlineData("*", true)]
    [InlineData("\"other\"", false)]
    [InlineData("", false)]
    public void A_client_that_has_the_bytes_says_so_in_any_of_the_usual_ways(string ifNoneMatch, bool isKnown) =>
        Assert.Equal(isKnown, ManifestEndpoint.IsKnown(ifNoneMatch, Digest));
}
