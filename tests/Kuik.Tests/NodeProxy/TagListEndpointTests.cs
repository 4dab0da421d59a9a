using System.Text;
using System.Text.Json;
using Kuik.NodeProxy;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class TagListEndpointTests
{
    private const string Digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    [Fact]
    public void The_tags_that_Kuik_keeps_for_itself_are_not_listed() =>
        Assert.Equal("""{"name":"a/b","tags":["1.0","kuik-fan"]}""",
            Listed($$"""{"name":"a/b","tags":["1.0","{{CacheTags.OfManifest(Digest)}}","kuik-fan","{{CacheTags.OfPin(Digest)}}"]}"""));

    [Fact]
    public void A_repository_whose_tags_are_null_has_none() =>
        Assert.Equal("""{"name":"a","tags":[]}""", Listed("""{"name":"a","tags":null}"""));

    [Theory]
    [InlineData("[]")]
    [InlineData("""{"tags":["1"],"tags":["2"]}""")]
    public void What_is_no_list_is_refused(string list) => Assert.ThrowsAny<JsonException>(() => Listed(list));

    private static string Listed(string list) => TagListEndpoint.WithoutOurs(Encoding.UTF8.GetBytes(list));
}
