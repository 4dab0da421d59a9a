using System.Collections.Concurrent;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>
/// Every way to answer HEAD, with every way to challenge: whatever a plain GET with the same credential gets, HEAD and GET of this client
/// get; the first time, again, and after the registry has forgotten its tokens.
/// </summary>
public sealed class NeverWorseThanGetTests : IAsyncLifetime
{
    private static readonly RegistryCredential Robot = new("robot", "secret");
    private static readonly string Password = "Basic " + Convert.ToBase64String("robot:secret"u8);

    private readonly FakeTimeProvider time = new(DateTimeOffset.UtcNow);
    private readonly TestImage image = TestImage.Small(seed: 1);
    private readonly ConcurrentDictionary<string, string> tokens = new();
    private ScriptedOrigin origin = null!;
    private ScriptedOrigin other = null!;

    public static MatrixTheoryData<int, string> Matrix => new(
        [200, 401, 403, 404, 405, 500, 501], ["none", "per repository", "per host", "at /v2/ only", "second challenge", "other host"]);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        (origin, other) = (await ScriptedOrigin.Start(), await ScriptedOrigin.Start());
        foreach (var server in new[] { origin, other })
            server.Add("team/web", "1", image);
    }

    public async ValueTask DisposeAsync()
    {
        await origin.DisposeAsync();
        await other.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    public async Task Whatever_a_plain_GET_gets_is_pulled(int head, string challenge)
    {
        origin.Script = request =>
            Token(request) ?? (challenge == "other host" ? Misbehave.Answer(307, ("Location", $"http://{other.Host}{request.Path}"))
            : Challenge(request, challenge) ?? Head(request, head));
        other.Script = request => Token(request) ?? Wants(request, "b", $"http://{other.Host}/token") ?? Head(request, head);
        using var client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}", $"http://{other.Host}"]), [], time);

        foreach (var round in new[] { "first", "again", "forgotten" })
        {
            if (round == "forgotten")
                tokens.Clear();
            time.Advance(TimeSpan.FromSeconds(10));
            await Pull(client);
        }
        Assert.DoesNotContain(Password, other.Ledger.Select(request => request.Authorization));
    }

    private async Task Pull(RegistryClient client)
    {
        var web = new RegistryRepository(origin.Host, "team/web");
        foreach (var target in new[] { "1", image.Digest })
        {
            if (await client.HeadManifest(web, target, Robot, Stop) is { } head)
                Assert.Equal(image.Digest, head.Digest);
            Assert.Equal(image.Bytes, (await client.GetManifest(web, target, Robot, Stop)).Bytes);
        }
        Assert.Equal(image.Layers[1].Bytes.Length, await client.HeadBlob(web, image.Layers[1].Digest, Robot, Stop));
        await using var blob = await client.OpenBlob(web, image.Layers[1].Digest, null, Robot, Stop);
        using var bytes = new MemoryStream();
        await blob.Body.CopyToAsync(bytes, Stop);
        Assert.Equal(image.Layers[1].Bytes, bytes.ToArray());
    }

    private static Misbehaviour? Head(OriginRequest request, int status) => request.Method == "HEAD" && status != 200
        ? Misbehave.Answer(status)
        : null;

    private Misbehaviour? Challenge(OriginRequest request, string challenge) => challenge switch
    {
        "per repository" => Wants(request, "repository:team/web:pull", $"http://{origin.Host}/token"),
        "per host" => request.Authorization == Password ? null : Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"x\"")),
        "at /v2/ only" => request.Path == "/v2/"
            ? Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"http://{origin.Host}/token\",service=\"a\""))
            : IsKnown(request, "repository:team/web:pull") ? null : Misbehave.Answer(404),
        "second challenge" => IsKnown(request, "repository:real/web:pull")
            ? null
            : Wants(request, "repository:team/web:pull", $"http://{origin.Host}/token")
            ?? Wants(request, "repository:real/web:pull", $"http://{origin.Host}/token"),
        _ => null,
    };

    /// <summary>Null when the request has a token with that scope.</summary>
    private Misbehaviour? Wants(OriginRequest request, string scope, string realm) =>
        IsKnown(request, scope)
            ? null
            : Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"{realm}\",service=\"a\",scope=\"{scope}\""));

    private bool IsKnown(OriginRequest request, string scope) =>
        request.Authorization is { } shown && tokens.TryGetValue(shown, out var scopes) && scopes.Contains(scope, StringComparison.Ordinal);

    private Misbehaviour? Token(OriginRequest request) => !request.Path.StartsWith("/token", StringComparison.Ordinal) ? null : (http, _) =>
    {
        var token = Guid.NewGuid().ToString("N");
        tokens["Bearer " + token] = http.Request.Query["scope"].ToString();
        return http.Response.WriteAsync($$"""{"token":"{{token}}","expires_in":3600}""");
    };
}
