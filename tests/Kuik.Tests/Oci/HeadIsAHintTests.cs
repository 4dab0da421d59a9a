using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>
/// HEAD answers that say nothing about the image: 401, 403, 404 or an error where GET works, a wrong length, a wrong type, or none at all.
/// </summary>
public sealed class HeadIsAHintTests : IAsyncLifetime
{
    private readonly TestImage image = TestImage.Small(seed: 1);
    private ScriptedOrigin origin = null!;
    private RegistryClient client = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private RegistryRepository Web => new(origin.Host, "team/web");

    private string Layer => image.Layers[1].Digest;

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
    [InlineData(400)]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(405)]
    [InlineData(410)]
    [InlineData(500)]
    [InlineData(501)]
    [InlineData(204)]
    public async Task Whatever_else_than_200_comes_means_to_ask_by_GET(int status)
    {
        origin.Script = request => request.Method == "HEAD" ? Misbehave.Answer(status) : null;

        Assert.Null(await client.HeadManifest(Web, "1", null, Stop));
        Assert.Equal(image.Layers[1].Bytes.Length, await client.HeadBlob(Web, Layer, null, Stop));
    }

    [Fact]
    public async Task A_connection_that_breaks_means_to_ask_by_GET()
    {
        origin.Script = request => request.Method != "HEAD" ? null : (http, _) =>
        {
            http.Abort();
            return Task.CompletedTask;
        };

        Assert.Null(await client.HeadManifest(Web, "1", null, Stop));
        Assert.Equal(image.Layers[1].Bytes.Length, await client.HeadBlob(Web, Layer, null, Stop));
    }

    [Fact]
    public async Task A_rate_limit_is_no_hint()
    {
        origin.Script = _ => Misbehave.Answer(429, ("Retry-After", "30"));

        foreach (var ask in new Func<Task>[] { () => client.HeadManifest(Web, "1", null, Stop),
            () => client.HeadBlob(Web, Layer, null, Stop) })
            Assert.Equal(RegistryErrorKind.RateLimited, (await Assert.ThrowsAsync<RegistryException>(ask)).Kind);
        Assert.DoesNotContain("GET", origin.Ledger.Select(request => request.Method));
    }

    [Fact]
    public async Task A_HEAD_without_an_answer_is_waited_for_once_in_a_while()
    {
        origin.Script = request => request.Method == "HEAD" ? (http, _) => Task.Delay(Timeout.Infinite, http.RequestAborted) : null;

        Assert.Null(await client.HeadManifest(Web, "1", null, Stop));
        Assert.Null(await client.HeadManifest(Web, "1", null, Stop));
        Assert.Equal(image.Layers[1].Bytes.Length, await client.HeadBlob(Web, Layer, null, Stop));

        Assert.Single(origin.Ledger, request => request.Method == "HEAD");
    }

    [Theory]
    [InlineData("Content-Length", "0")]
    [InlineData("Content-Encoding", "gzip")]
    public async Task A_length_that_is_none_was_not_said(string name, string value)
    {
        origin.Script = request => request.Method != "HEAD" ? null : (http, body) =>
        {
            http.Response.ContentType = image.MediaType;
            http.Response.ContentLength = body.Length / 2;
            http.Response.Headers["Docker-Content-Digest"] = TestBlob.DigestOf(body);
            http.Response.Headers[name] = value;
            return Task.CompletedTask;
        };

        Assert.Equal(new ManifestHead(image.Digest, image.MediaType, null), await client.HeadManifest(Web, "1", null, Stop));
        Assert.Equal(image.Layers[1].Bytes.Length, await client.HeadBlob(Web, Layer, null, Stop));
    }

    [Theory]
    [InlineData("text/plain", null)]
    [InlineData("APPLICATION/VND.OCI.IMAGE.MANIFEST.V1+JSON; charset=utf-8", MediaTypes.OciManifest)]
    public async Task A_type_that_is_no_manifests_was_not_said(string served, string? said)
    {
        origin.Script = _ => (http, body) =>
        {
            http.Response.ContentType = served;
            http.Response.ContentLength = body.Length;
            return Task.CompletedTask;
        };

        Assert.Equal(said, (await client.HeadManifest(Web, "1", null, Stop))!.MediaType);
    }

    [Fact]
    public async Task A_blob_is_gone_when_GET_says_so()
    {
        Assert.Null(await client.HeadBlob(Web, "sha256:" + new string('a', 64), null, Stop));
        Assert.False(await client.HasBlob(Web, "sha256:" + new string('a', 64), null, Stop));
        Assert.True(await client.HasBlob(Web, Layer, null, Stop));
    }
}
