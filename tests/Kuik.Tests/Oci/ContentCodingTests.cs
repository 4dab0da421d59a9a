using System.IO.Compression;
using System.Net.Http.Headers;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>Registries and proxies that compress what they serve without having been asked.</summary>
public sealed class ContentCodingTests : IAsyncLifetime
{
    private readonly TestImage image = TestImage.Small(seed: 1);
    private ScriptedOrigin origin = null!;
    private RegistryClient client = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private RegistryRepository Web => new(origin.Host, "team/web");

    private TestBlob Layer => image.Layers[1];

    public async ValueTask InitializeAsync()
    {
        origin = await ScriptedOrigin.Start();
        origin.Add("team/web", "1", image);
        client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}"]), [], TimeProvider.System);
    }

    public ValueTask DisposeAsync()
    {
        client.Dispose();
        return origin.DisposeAsync();
    }

    [Theory]
    [InlineData("gzip", true)]
    [InlineData("GZIP", false)]
    [InlineData("x-gzip", false)]
    [InlineData("deflate", true)]
    [InlineData("br", true)]
    [InlineData("identity", true)]
    [InlineData("aws-chunked", false)]
    public async Task A_coding_that_was_not_asked_for_is_decoded(string coding, bool hasDigest)
    {
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal)
            ? (http, _) => Send(http, """{"token":"t"}"""u8.ToArray(), coding, hasDigest: false)
            : request.Authorization is null ? Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"http://{origin.Host}/token\""))
            : (http, body) => Send(http, body, coding, hasDigest);

        foreach (var target in new[] { "1", image.Digest })
        {
            var manifest = await client.GetManifest(Web, target, null, Stop);
            Assert.Equal((image.Digest, image.MediaType), (manifest.Digest, manifest.MediaType));
            Assert.Equal(image.Bytes, manifest.Bytes);
        }
        await using var blob = await client.OpenBlob(Web, Layer.Digest, null, null, Stop);
        using var bytes = new MemoryStream();
        await blob.Body.CopyToAsync(bytes, Stop);
        Assert.Equal(Layer.Bytes, bytes.ToArray());
        Assert.Equal(coding is "identity" or "aws-chunked" ? Layer.Bytes.Length : null, blob.Length);
    }

    [Fact]
    public async Task Identity_is_asked_for()
    {
        var asked = new List<string>();
        origin.Script = request => (http, body) =>
        {
            asked.Add(http.Request.Headers.AcceptEncoding.ToString());
            return request.Path.StartsWith("/token", StringComparison.Ordinal) ? http.Response.WriteAsync("""{"token":"t"}""")
                : request.Authorization is null
                ? Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"http://{origin.Host}/token\""))(http, body)
                : Send(http, body, "identity", hasDigest: true);
        };

        await client.GetManifest(Web, "1", null, Stop);

        Assert.Equal(["identity", "identity", "identity"], asked);
    }

    [Theory]
    [InlineData("zstd")]
    [InlineData("gzip, gzip")]
    [InlineData("compress")]
    public async Task Another_coding_is_refused_by_name(string coding)
    {
        origin.Script = _ => (http, body) =>
        {
            http.Response.Headers.ContentEncoding = coding;
            return http.Response.Body.WriteAsync(body).AsTask();
        };

        foreach (var ask in new Func<Task>[] { () => client.GetManifest(Web, "1", null, Stop),
            () => client.OpenBlob(Web, Layer.Digest, null, null, Stop) })
        {
            var error = await Assert.ThrowsAsync<RegistryException>(ask);
            Assert.Equal((RegistryErrorKind.Broken, false), (error.Kind, error.IsTransient));
            Assert.EndsWith($"its content coding {coding} is unknown; identity was asked for", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_part_of_a_coded_body_is_refused_by_name()
    {
        origin.Script = _ => (http, body) =>
        {
            http.Response.StatusCode = 206;
            http.Response.Headers.ContentEncoding = "gzip";
            http.Response.Headers.ContentRange = $"bytes 5-{body.Length - 1}/{body.Length}";
            return http.Response.Body.WriteAsync(body.AsMemory(5)).AsTask();
        };

        var error = await Assert.ThrowsAsync<RegistryException>(() =>
            client.OpenBlob(Web, Layer.Digest, new RangeHeaderValue(5, null), null, Stop));

        Assert.EndsWith("a part of a body in the content coding gzip came; identity was asked for", error.Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    public async Task A_body_that_is_not_in_its_coding_is_a_broken_answer(string coding)
    {
        origin.Script = _ => (http, body) =>
        {
            http.Response.Headers.ContentEncoding = coding;
            return http.Response.Body.WriteAsync(body).AsTask();
        };

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", null, Stop));

        Assert.Equal(RegistryErrorKind.Broken, error.Kind);
        Assert.Contains($"it is not in the content coding {coding} that it is said to be in", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_manifest_that_decodes_to_more_than_4_MiB_is_not_read()
    {
        origin.Script = _ => (http, _) => Send(http, new byte[64 << 20], "gzip", hasDigest: false);

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", null, Stop));

        Assert.EndsWith("a manifest of more than 4 MiB", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_registrys_own_words_are_quoted_decoded()
    {
        origin.Script = _ => (http, _) =>
        {
            http.Response.StatusCode = 404;
            return Send(http, System.Text.Encoding.UTF8.GetBytes(RegistryErrors.Body("MANIFEST_UNKNOWN", "no such thing")), "gzip",
                hasDigest: false);
        };

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", null, Stop));

        Assert.EndsWith("MANIFEST_UNKNOWN no such thing", error.Message, StringComparison.Ordinal);
    }

    private async Task Send(HttpContext http, byte[] body, string coding, bool hasDigest)
    {
        using var coded = new MemoryStream();
        if (Coder(coding.ToLowerInvariant(), coded) is { } coder)
            await using (coder)
                await coder.WriteAsync(body);
        else
            await coded.WriteAsync(body);
        http.Response.ContentType = image.MediaType;
        http.Response.ContentLength = coded.Length;
        http.Response.Headers.ContentEncoding = coding;
        if (hasDigest)
            http.Response.Headers["Docker-Content-Digest"] = TestBlob.DigestOf(body);
        await http.Response.Body.WriteAsync(coded.ToArray());
    }

    private static Stream? Coder(string coding, Stream coded) => coding switch
    {
        "gzip" or "x-gzip" => new GZipStream(coded, CompressionLevel.Fastest, leaveOpen: true),
        "deflate" => new ZLibStream(coded, CompressionLevel.Fastest, leaveOpen: true),
        "br" => new BrotliStream(coded, CompressionLevel.Fastest, leaveOpen: true),
        _ => null,
    };
}
