using System.Text;
using System.Text.Json;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.Oci;

public sealed class UntrustedJsonTests
{
    /// <summary>As Latin-1, so that one of them can be no UTF-8.</summary>
    public static TheoryData<string> Unreadable => new(
        "{\"a\":\"p\u00e4ss\"}", "{\"b\u00fccher\":1}", """{"a":"\ud800"}""", """{"\udc00":1}""", """{"a":["\ud800x"]}""",
        """{"a":{"b":"\ud83d\ud83d"}}""", "{", "", "\u00ef\u00bb\u00bf{}");

    [Theory]
    [MemberData(nameof(Unreadable))]
    public void What_cannot_be_read_is_one_kind_of_error_at_once(string text)
    {
        var bytes = Encoding.Latin1.GetBytes(text);

        Assert.ThrowsAny<JsonException>(() => UntrustedJson.ParseDocument(bytes));
        Assert.ThrowsAny<JsonException>(() => UntrustedJson.ParseNode(bytes));
    }

    [Fact]
    public void A_property_that_comes_twice_is_an_error_of_nodes_and_the_last_of_documents()
    {
        using var document = UntrustedJson.ParseDocument("""{"a":1,"a":2}"""u8.ToArray());

        Assert.Equal(2, document.RootElement.GetProperty("a").GetInt32());
        Assert.ThrowsAny<JsonException>(() => UntrustedJson.ParseNode("""{"a":1,"a":2}"""u8));
    }

    [Fact]
    public void Text_beyond_ASCII_is_read()
    {
        using var document = UntrustedJson.ParseDocument(Encoding.UTF8.GetBytes("""{"ä":"\ud83d\ude00 \u00e4 \\u"}"""));

        Assert.Equal("😀 ä \\u", document.RootElement.GetProperty("ä").GetString());
    }

    [Theory]
    [InlineData("""{"layers":[{"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":1,"mediaType":"\ud800"}]}""")]
    [InlineData("""{"layers":[{"digest":"\ud800","size":1}]}""")]
    [InlineData("""{"layers":[{"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":99999999999999999999}]}""")]
    public void A_manifest_that_cannot_be_read_is_the_origins_fault(string manifest)
    {
        var failure = Assert.Throws<CopyException>(() =>
            ReadManifest.Parts(new Manifest(Encoding.UTF8.GetBytes(manifest), MediaTypes.OciManifest, "sha256:b")));

        Assert.Equal((CopyException.Broken, false), (failure.Kind, failure.RetryHelps));
    }

    [Theory]
    [InlineData("{\"errors\":[{\"code\":\"DENIED\",\"message\":\"p\u00e4ss\"}]}")]
    [InlineData("""{"errors":[{"code":"\ud800","message":"x"}]}""")]
    [InlineData("""{"error":"\ud800"}""")]
    public void An_error_body_that_cannot_be_read_is_quoted_as_it_is(string body) =>
        Assert.NotEmpty(RegistryException.Quote(Encoding.Latin1.GetBytes(body)));
}
