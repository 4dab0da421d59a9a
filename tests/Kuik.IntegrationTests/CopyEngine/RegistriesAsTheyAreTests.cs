using System.Buffers.Text;
using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Text;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>
/// Images of registries that answer in ways which other clients put up with: copied, copied again, and pulled through. Scripted, as no real
/// registry does it on command.
/// </summary>
public sealed class RegistriesAsTheyAreTests : IAsyncLifetime
{
    private readonly TestImage image = TestImage.Small(seed: 170);
    private ScriptedOrigin origin = null!;
    private Registry cache = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => (origin, cache) = (await ScriptedOrigin.Start(), await Registry.Start());

    public ValueTask DisposeAsync() => origin.DisposeAsync();

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(405)]
    [InlineData(500)]
    [InlineData(501)]
    [InlineData(0)]
    public async Task A_tag_whose_HEAD_is_refused_is_copied_again_and_revalidated_by_GET(int status)
    {
        var name = origin.Add("team/web", "1", image);
        origin.Script = request => request.Method != "HEAD" ? null
            : status == 0 ? (http, _) => Task.Delay(Timeout.Infinite, http.RequestAborted) : Misbehave.Answer(status);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();

        await engine.Copy(name);
        Assert.Equal(image.Digest, (await engine.Copy(name)).Digest);
        var next = TestImage.Small(seed: 171);
        origin.Add("team/web", "1", next);
        using var fresh = await AskFresh(client, name);
        await Eventually.True(async () => (await cache.Manifest(name))?.Bytes.SequenceEqual(next.Bytes) == true,
            "the tag that has moved is copied");

        Assert.Equal((HttpStatusCode.OK, next.Digest), (fresh.StatusCode, fresh.Digest()));
        Assert.Equal((HttpStatusCode.OK, (long?)image.Layers[1].Bytes.Length), await HeadBlob(client, name, image.Layers[1].Digest));
    }

    [Fact]
    public async Task A_tag_whose_HEAD_names_a_digest_that_the_registry_does_not_have_is_copied_again()
    {
        var name = origin.Add("team/web", "1", image);
        origin.Script = request => request.Method != "HEAD" ? null : (http, body) =>
        {
            http.Response.ContentType = image.MediaType;
            http.Response.ContentLength = body.Length;
            http.Response.Headers["Docker-Content-Digest"] = "sha256:" + new string('a', 64);
            return Task.CompletedTask;
        };
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        await engine.Copy(name);

        Assert.Equal(image.Digest, (await engine.Copy(name)).Digest);
    }

    [Theory]
    [InlineData("binary/octet-stream")]
    [InlineData("application/x-json")]
    [InlineData("APPLICATION/VND.OCI.IMAGE.MANIFEST.V1+JSON")]
    [InlineData("application/vnd.docker.container.image.v1+json")]
    [InlineData(MediaTypes.DockerManifest)]
    [InlineData(MediaTypes.OciIndex)]
    [InlineData("text/html")]
    [InlineData("")]
    public async Task A_manifest_under_another_type_is_cached_and_served_under_its_own_by_all(string served)
    {
        var name = origin.Add("team/web", "1", image);
        origin.Script = request => !request.Path.Contains("/manifests/", StringComparison.Ordinal) ? null : (http, body) =>
        {
            http.Response.ContentType = served.Length == 0 ? null : served;
            return http.Response.Body.WriteAsync(body).AsTask();
        };
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var through = engine.Client();

        var pulled = await through.Ask(HttpMethod.Get, name, "manifests/1");
        Assert.Equal((image.MediaType, image.Digest), (pulled.Type(), pulled.Digest()));
        await engine.Copy(name);

        Assert.Equal(image.MediaType, (await cache.Manifest(name))!.Value.MediaType);
        await cache.AssertHas(name, image);
    }

    [Fact]
    public async Task An_image_of_a_registry_that_compresses_without_being_asked_is_cached_as_it_is()
    {
        var name = origin.Add("team/web", "1", image);
        origin.Script = request => async (http, body) =>
        {
            using var coded = new MemoryStream();
            await using (var coder = new GZipStream(coded, CompressionLevel.Fastest, leaveOpen: true))
                await coder.WriteAsync(body);
            http.Response.ContentType = request.Path.Contains("/manifests/", StringComparison.Ordinal)
                ? image.MediaType
                : "application/octet-stream";
            http.Response.Headers.ContentEncoding = "gzip";
            http.Response.ContentLength = coded.Length;
            if (request.Method == "GET")
                await http.Response.Body.WriteAsync(coded.ToArray());
        };
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        await engine.Copy(name);
        await engine.Copy(name);

        await cache.AssertHas(name, image);
    }

    [Fact]
    public async Task Blobs_behind_signed_redirects_are_copied()
    {
        const string Signature = "?X=attachment%3B%20filename%3D%22a%7Eb%2Dc%22&Signature=%2f|x";
        await using var storage = await ScriptedOrigin.Start();
        storage.Add("team/web", "1", image);
        storage.Script = request => (http, body) =>
            http.Features.Get<IHttpRequestFeature>()!.RawTarget.EndsWith(Signature, StringComparison.Ordinal)
                ? http.Response.Body.WriteAsync(body).AsTask()
                : Misbehave.Answer(403)(http, body);
        var name = origin.Add("team/web", "1", image);
        origin.Script = request => request.IsBlobDownload
            ? Misbehave.Answer(307, ("Location", $"http://{storage.Host}{request.Path}{Signature}"))
            : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host, storage.Host]);

        await engine.Copy(name);

        await cache.AssertHas(name, image);
    }

    [Fact]
    public async Task A_manifest_with_half_a_surrogate_pair_ends_the_copy_with_an_error_of_the_origin()
    {
        var name = origin.AddManifest("team/web", "1", MediaTypes.OciManifest,
            Encoding.UTF8.GetBytes("""{"layers":[{"digest":"\ud800","size":1}]}"""));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Equal((CopyException.Broken, false), (failure.Kind, failure.RetryHelps));
    }

    [Fact]
    public async Task Schema_1_is_pulled_through_image_fetcher_and_node_proxy_by_tag_and_by_the_digest_of_its_payload()
    {
        const string Begin = "{\n   \"schemaVersion\": 1,\n   \"name\": \"team/web\",\n   \"tag\": \"1\",\n   \"fsLayers\": []";
        var tail = Base64Url.EncodeToString("\n}"u8);
        var format = Base64Url.EncodeToString(
            Encoding.UTF8.GetBytes(
                string.Create(CultureInfo.InvariantCulture, $$"""{"formatLength":{{Begin.Length}},"formatTail":"{{tail}}"}""")));
        var signed = Encoding.UTF8.GetBytes($"{Begin},\n   \"signatures\": [{{\"protected\": \"{format}\"}}]\n}}");
        var digest = TestBlob.DigestOf(Encoding.UTF8.GetBytes(Begin + "\n}"));
        origin.AddManifest("team/web", digest, MediaTypes.DockerSchema1Signed, signed);
        var name = origin.AddManifest("team/web", "1", MediaTypes.DockerSchema1Signed, signed);
        origin.Script = request => request.Path.Contains("/manifests/", StringComparison.Ordinal) ? async (http, body) =>
        {
            http.Response.ContentType = MediaTypes.DockerSchema1Signed;
            http.Response.ContentLength = body.Length;
            http.Response.Headers["Docker-Content-Digest"] = digest;
            if (request.Method == "GET")
                await http.Response.Body.WriteAsync(body);
        }
        : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        var proxy = await StartNodeProxy.With(cache.Endpoint, engine.Endpoint);
        using var client = new HttpClient { BaseAddress = proxy.Endpoint };

        foreach (var target in new[] { "1", digest })
        {
            using var answer = await client.GetAsync(
                new Uri($"/v2/{CachePath.Of(ImageReference.Parse(name))}/manifests/{target}", UriKind.Relative), Stop);
            Assert.Equal((HttpStatusCode.OK, MediaTypes.DockerSchema1Signed, digest), (answer.StatusCode, answer.Type(), answer.Digest()));
            Assert.Equal(signed, await answer.Content.ReadAsByteArrayAsync(Stop));
        }
    }

    private static async Task<HttpResponseMessage> AskFresh(HttpClient client, string name)
    {
        while (true)
        {
            var image = ImageReference.Parse(name);
            using var ask = new HttpRequestMessage(HttpMethod.Head,
                new Uri($"/v2/{CachePath.Of(image)}/manifests/{image.Target}", UriKind.Relative));
            ask.Headers.Add(PullThrough.FreshHeader, "0");
            var answer = await client.SendAsync(ask, Stop);
            if (answer.StatusCode != HttpStatusCode.Accepted)
                return answer;
            answer.Dispose();
        }
    }

    /// <summary>As node-proxy asks for a blob that the cache does not have: one of another repository, say.</summary>
    private static async Task<(HttpStatusCode, long?)> HeadBlob(HttpClient client, string name, string digest)
    {
        using var answer = await client.Ask(HttpMethod.Head, name, "blobs/" + digest);
        return (answer.StatusCode, answer.Content.Headers.ContentLength);
    }
}
