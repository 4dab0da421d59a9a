using System.Text;
using System.Text.Json;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>Text of registries in logs, events, the status of resources and terminals.</summary>
public sealed class UntrustedTextTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("\u001b[2J\u001b]0;owned\u0007", "\uFFFD[2J\uFFFD]0;owned\uFFFD")]
    [InlineData("a\u009b31mb", "a\uFFFD31mb")]   // C1: the same as ESC [
    [InlineData("a\u007fb\u0000c", "a\uFFFDb\uFFFDc")]
    [InlineData("user\u202Etxt.exe\u2066x\u200Fy\u200Bz", "user\uFFFDtxt.exe\uFFFDx\uFFFDy\uFFFDz")]
    [InlineData("Ümläute, 日本, 🐳 stay", "Ümläute, 日本, 🐳 stay")]
    public async Task Characters_that_are_not_shown_as_themselves_reach_no_message(string words, string shown)
    {
        var body = $$"""{"errors":[{"code":"X","message":{{JsonSerializer.Serialize(words)}}}]}""";
        await using var origin = await ScriptedOrigin.Start();
        origin.Script = _ => Misbehave.Say(404, body);
        using var client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}"]), [], TimeProvider.System);

        var repository = new RegistryRepository(origin.Host, "a/b");
        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(repository, "1", null, Stop));

        Assert.EndsWith("X " + shown, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Neither_the_words_of_a_status_nor_the_bytes_of_a_page_are_shown_as_they_are()
    {
        const string Answer = "HTTP/1.1 404 No\u001b[2J\u009bt\r\nConnection: close\r\nContent-Length: 9\r\n\r\n<p>\u001b[2J\u0007\n";
        using var registry = new RawServer((_, _) => Answer);
        using var client = new RegistryClient(new RegistryEndpoints([$"http://{registry.Host}"]), [], TimeProvider.System);

        var repository = new RegistryRepository(registry.Host, "a/b");
        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(repository, "1", null, Stop));

        Assert.DoesNotContain(error.Message, char.IsControl);
    }

    [Fact]
    public void A_quote_that_is_cut_in_the_middle_of_a_character_is_still_text()
    {
        var error = new RegistryException(RegistryErrorKind.Broken, "cut \ud83d");

        Assert.Equal("cut \uFFFD", error.Message);
    }

    [Theory]
    [InlineData("application/vnd.example+json", true)]
    [InlineData("a/b", true)]
    [InlineData("x\nmanifest application/json sha256:FORGED Zm9yZ2Vk", false)]
    [InlineData("application/json; charset=utf-8", false)]
    [InlineData("application/json\n", false)]
    [InlineData("application", false)]
    [InlineData("/json", false)]
    [InlineData("a/b/c", false)]
    [InlineData("application/j\u00f6son", false)]
    [InlineData("", false)]
    public void Only_a_media_type_is_a_media_type(string text, bool isOne) => Assert.Equal(isOne, MediaTypes.IsWellFormed(text));

    [Fact]
    public void A_manifest_that_says_a_type_which_is_none_has_the_type_of_its_shape()
    {
        var manifest = Encoding.UTF8.GetBytes("""{"mediaType":"x\nmanifest forged","config":{},"layers":[]}""");

        Assert.Equal(MediaTypes.OciManifest, ManifestShape.Parse(manifest)!.TypeFor("x\nmanifest forged"));
        Assert.Null(ManifestShape.Parse("""{"mediaType":"x\nmanifest forged"}"""u8)!.TypeFor("x\nmanifest forged"));
    }
}
