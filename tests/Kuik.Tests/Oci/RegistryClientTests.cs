using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>The client against scripted registries in this process: no real one redirects, expires tokens or lies when a test wants
/// it.</summary>
public sealed class RegistryClientTests : IAsyncLifetime
{
    private static readonly RegistryCredential Robot = new("robot", "secret");

    private readonly FakeTimeProvider time = new(DateTimeOffset.UtcNow);
    private readonly TestImage image = TestImage.Small(seed: 1);
    private ScriptedOrigin origin = null!;
    private RegistryClient client = null!;

    private RegistryRepository Web => new(origin.Host, "team/web");

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        origin = await ScriptedOrigin.Start();
        origin.Add("team/web", "1", image);
        client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}"]), [], time);
    }

    public ValueTask DisposeAsync()
    {
        client.Dispose();
        return origin.DisposeAsync();
    }

    [Fact]
    public async Task A_manifest_comes_as_it_is_with_its_digest_and_type()
    {
        var manifest = await client.GetManifest(Web, "1", null, Stop);

        Assert.Equal((image.Digest, image.MediaType), (manifest.Digest, manifest.MediaType));
        Assert.Equal(image.Bytes, manifest.Bytes);
    }

    [Theory]
    [InlineData("1", "no JSON")]
    [InlineData(null, "no JSON")]
    [InlineData(null, "{}")]
    public async Task A_manifest_that_is_not_what_its_digest_says_is_refused(string? tag, string body)
    {
        origin.Script = _ => async (http, _) =>
        {
            http.Response.ContentType = image.MediaType;
            http.Response.Headers["Docker-Content-Digest"] = image.Digest;
            await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(body));
        };

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, tag ?? image.Digest, null, Stop));

        Assert.Equal(RegistryErrorKind.Broken, error.Kind);
        Assert.Contains(image.Digest, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_manifest_of_more_than_4_MiB_is_not_read()
    {
        origin.Script = _ => (http, _) => http.Response.Body.WriteAsync(new byte[5 << 20]).AsTask();

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", null, Stop));

        Assert.Equal((RegistryErrorKind.Broken, false), (error.Kind, error.IsTransient));
    }

    [Fact]
    public async Task An_error_of_a_signed_address_does_not_show_the_signature()
    {
        origin.Script = request => request.Path.Contains("signature", StringComparison.Ordinal)
            ? Misbehave.Answer(403) : Misbehave.Answer(307, ("Location", $"{request.Path}?signature=hidden"));

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.OpenBlob(Web, image.Config.Digest, null, Robot, Stop));

        Assert.Equal(RegistryErrorKind.Refused, error.Kind);
        Assert.DoesNotContain("hidden", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_redirect_that_never_ends_is_given_up()
    {
        origin.Script = request => Misbehave.Answer(302, ("Location", request.Path));

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", null, Stop));

        Assert.Equal((RegistryErrorKind.Broken, false), (error.Kind, error.IsTransient));
    }

    [Fact]
    public async Task Callers_at_once_share_a_token_until_it_expires()
    {
        var issued = BehindTokens(expiresIn: 100);

        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => client.GetManifest(Web, "1", Robot, Stop)));
        time.Advance(TimeSpan.FromSeconds(80));
        await client.GetManifest(Web, "1", Robot, Stop);
        Assert.Single(issued);

        time.Advance(TimeSpan.FromSeconds(20));
        await client.GetManifest(Web, "1", Robot, Stop);
        Assert.Equal(2, issued.Count);
    }

    [Fact]
    public async Task Another_repository_or_credential_needs_another_token()
    {
        origin.Add("team/other", "1", image);
        var issued = BehindTokens(expiresIn: 100);

        await client.GetManifest(Web, "1", Robot, Stop);
        await client.GetManifest(Web, "1", null, Stop);
        await client.GetManifest(Web with { Name = "team/other" }, "1", Robot, Stop);

        Assert.Equal(
            ["robot service=registry scope=repository:team/web:pull", "nobody service=registry scope=repository:team/web:pull",
                "robot service=registry scope=repository:team/other:pull"],
            issued);
    }

    [Fact]
    public async Task A_token_that_is_refused_before_its_time_is_replaced_once()
    {
        var issued = BehindTokens(expiresIn: 100);
        await client.GetManifest(Web, "1", Robot, Stop);
        var script = origin.Script;
        origin.Script = request => request.Authorization == "Bearer token-1"
            ? Misbehave.Answer(401, ("WWW-Authenticate", Bearer))
            : script(request);

        await client.GetManifest(Web, "1", Robot, Stop);

        Assert.Equal(2, issued.Count);
    }

    [Fact]
    public async Task A_token_server_that_refuses_is_named_in_the_error()
    {
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal)
            ? Misbehave.Answer(403)
            : Misbehave.Answer(401, ("WWW-Authenticate", Bearer));

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", Robot, Stop));

        Assert.Equal(RegistryErrorKind.Refused, error.Kind);
        Assert.Contains("/token: 403", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(404, RegistryErrorKind.Gone, false)]
    [InlineData(401, RegistryErrorKind.Refused, false)]
    [InlineData(403, RegistryErrorKind.Refused, false)]
    [InlineData(429, RegistryErrorKind.RateLimited, true)]
    [InlineData(500, RegistryErrorKind.Broken, true)]
    [InlineData(503, RegistryErrorKind.Broken, true)]
    [InlineData(400, RegistryErrorKind.Broken, false)]
    public async Task A_status_says_what_it_is_and_whether_to_try_again(int status, RegistryErrorKind kind, bool isTransient)
    {
        origin.Script = _ => Misbehave.Answer(status, ("Retry-After", "30"));

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", null, Stop));

        Assert.Equal((kind, isTransient, TimeSpan.FromSeconds(30), (HttpStatusCode?)status),
            (error.Kind, error.IsTransient, error.RetryAfter, error.Status));
        Assert.StartsWith($"GET http://{origin.Host}/v2/team/web/manifests/1: {status}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_registrys_own_words_are_quoted_and_a_long_page_is_cut()
    {
        origin.Script = request => async (http, _) =>
        {
            http.Response.StatusCode = 404;
            await http.Response.WriteAsync(request.Target == "1"
                ? RegistryErrors.Body("MANIFEST_UNKNOWN", "no such thing")
                : new string('x', 100_000));
        };

        var words = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", null, Stop));
        var page = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "2", null, Stop));

        Assert.EndsWith("MANIFEST_UNKNOWN no such thing", words.Message, StringComparison.Ordinal);
        Assert.InRange(page.Message.Length, 100, 250);
    }

    [Fact]
    public async Task A_body_that_brings_nothing_is_given_up_and_one_that_moves_is_not()
    {
        var gate = new TaskCompletionSource();
        origin.Script = _ => Misbehave.HoldAt(1000, gate.Task);
        await using var blob = await client.OpenBlob(Web, image.Layers[1].Digest, null, null, Stop);
        var buffer = new byte[1000];
        await blob.Body.ReadExactlyAsync(buffer, Stop);

        var stalled = blob.Body.ReadAsync(buffer, Stop).AsTask();
        time.Advance(client.Stall);

        var error = await Assert.ThrowsAsync<RegistryException>(() => stalled);
        Assert.Equal(RegistryErrorKind.Unreachable, error.Kind);
        gate.SetResult();
    }

    private string Bearer => $"Bearer realm=\"http://{origin.Host}/token\",service=\"registry\"";

    /// <summary>Everything needs a token; says who asked for which.</summary>
    private ConcurrentQueue<string> BehindTokens(int expiresIn)
    {
        var issued = new ConcurrentQueue<string>();
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal)
            ? async (http, _) =>
            {
                var who = request.Authorization is { } basic
                    ? Encoding.UTF8.GetString(Convert.FromBase64String(basic["Basic ".Length..])).Split(':')[0]
                    : "nobody";
                issued.Enqueue($"{who} service={http.Request.Query["service"]} scope={http.Request.Query["scope"]}");
                await http.Response.WriteAsync($$"""{"token":"token-{{issued.Count}}","expires_in":{{expiresIn}}}""");
            }
        : request.Authorization is null ? Misbehave.Answer(401, ("WWW-Authenticate", Bearer)) : null;
        return issued;
    }
}
