using System.Security.Cryptography.X509Certificates;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>The recipients of a pod's credentials, by the ledgers of all possible ones.</summary>
public sealed class WhereCredentialsGoTests : IAsyncLifetime
{
    private static readonly RegistryCredential Robot = new("robot", "secret");
    private static readonly string Password = "Basic " + Convert.ToBase64String("robot:secret"u8);
    private static readonly CertificateAuthority Authority = new("private");

    private readonly TestImage image = TestImage.Small(seed: 1);
    private ScriptedOrigin origin = null!;
    private ScriptedOrigin secure = null!;
    private ScriptedOrigin other = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private string Layer => image.Layers[1].Digest;

    public async ValueTask InitializeAsync()
    {
        (origin, other) = (await ScriptedOrigin.Start(), await ScriptedOrigin.Start());
        secure = await ScriptedOrigin.Start(Authority.Issue("CN=registry", "127.0.0.1"));
        foreach (var server in new[] { origin, secure, other })
            server.Add("team/web", "1", image);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in new[] { origin, secure, other })
            await server.DisposeAsync();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("token")]
    public async Task Neither_a_password_nor_a_token_follows_a_redirect_to_another_port_or_scheme(string? token)
    {
        var credential = Robot with { RegistryToken = token };
        origin.Script = request => request.Authorization is null ? Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"x\""))
            : Misbehave.Answer(307,
                ("Location", (request.Path.Contains("manifests", StringComparison.Ordinal)
                    ? $"https://{secure.Host}"
                    : $"http://{other.Host}") + request.Path));
        using var client = Client($"http://{origin.Host}", $"http://{other.Host}");

        await client.GetManifest(At(origin), "1", credential, Stop);
        await using var blob = await client.OpenBlob(At(origin), Layer, null, credential, Stop);

        Assert.Contains(origin.Ledger, request => request.Authorization == (token is null ? Password : "Bearer token"));
        Assert.Null(Assert.Single(secure.Ledger).Authorization);
        Assert.Null(Assert.Single(other.Ledger).Authorization);
    }

    [Fact]
    public async Task A_token_that_the_registry_gave_does_not_follow_a_redirect_either()
    {
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal) ? GiveToken
            : request.Authorization is null ? Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"http://{origin.Host}/token\""))
            : Misbehave.Answer(307, ("Location", $"http://{other.Host}{request.Path}"));
        using var client = Client($"http://{origin.Host}", $"http://{other.Host}");

        await using var blob = await client.OpenBlob(At(origin), Layer, null, Robot, Stop);

        Assert.Equal([null, Password, "Bearer issued"], origin.Ledger.Select(request => request.Authorization));
        Assert.Null(Assert.Single(other.Ledger).Authorization);
    }

    [Fact]
    public async Task They_stay_with_a_redirect_to_the_same_place_and_do_not_come_back_after_a_detour()
    {
        origin.Script = request => request.Authorization is null && !request.Path.Contains("back", StringComparison.Ordinal)
            ? Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"x\""))
            : request.Path.EndsWith("?again", StringComparison.Ordinal)
            ? Misbehave.Answer(307, ("Location", $"http://{other.Host}{request.Path}"))
            : request.Path.EndsWith("?back", StringComparison.Ordinal) ? null
            : Misbehave.Answer(307, ("Location", request.Path + "?again"));
        other.Script = request => Misbehave.Answer(307, ("Location", $"http://{origin.Host}{request.Path.Split('?')[0]}?back"));
        using var client = Client($"http://{origin.Host}", $"http://{other.Host}");

        await using var blob = await client.OpenBlob(At(origin), Layer, null, Robot, Stop);

        Assert.Equal([null, Password, Password, null], origin.Ledger.Select(request => request.Authorization));
        Assert.Null(Assert.Single(other.Ledger).Authorization);
    }

    [Theory]
    [InlineData("Basic realm=\"x\"", 1)]
    [InlineData("Bearer realm=\"http://OTHER/token\"", 2)]
    [InlineData("Bearer realm=\"http://OTHER/token\", Basic realm=\"x\"", 2)]
    public async Task A_host_that_we_were_redirected_to_cannot_ask_for_them(string challenge, int asked)
    {
        origin.Script = request => Misbehave.Answer(307, ("Location", $"http://{other.Host}{request.Path}"));
        other.Script = _ => Misbehave.Answer(401, ("WWW-Authenticate", challenge.Replace("OTHER", other.Host, StringComparison.Ordinal)));
        using var client = Client($"http://{origin.Host}", $"http://{other.Host}");

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.OpenBlob(At(origin), Layer, null, Robot, Stop));

        Assert.Equal(RegistryErrorKind.Refused, error.Kind);
        Assert.All(origin.Ledger.Concat(other.Ledger), request => Assert.Null(request.Authorization));
        Assert.Equal(asked, other.Ledger.Count);   // an anonymous token may be asked for
    }

    [Fact]
    public async Task They_go_to_a_token_server_without_TLS_only_for_a_registry_that_is_insecure_itself()
    {
        foreach (var registry in new[] { origin, secure })
            registry.Script = request => request.Authorization is null
                ? Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"http://{other.Host}/token\""))
                : null;
        other.Script = _ => GiveToken;
        using var client = Client($"http://{origin.Host}");

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.OpenBlob(At(secure), Layer, null, Robot, Stop));
        Assert.Empty(other.Ledger);
        await using var blob = await client.OpenBlob(At(origin), Layer, null, Robot, Stop);

        Assert.Equal($"{secure.Host} names a token server without TLS, http://{other.Host}/token: credentials are not sent there",
            error.Message);
        Assert.Equal(Password, Assert.Single(other.Ledger).Authorization);
    }

    [Fact]
    public async Task An_unusable_realm_is_not_quoted()
    {
        origin.Script = _ => Misbehave.Answer(401, ("WWW-Authenticate", "Bearer realm=\"ftp://tokens.example/?key=hidden\""));
        using var client = Client($"http://{origin.Host}");

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.OpenBlob(At(origin), Layer, null, Robot, Stop));

        Assert.Equal($"{origin.Host} names no usable token server: its realm is no http or https address", error.Message);
    }

    private static Misbehaviour GiveToken => (http, _) => http.Response.WriteAsync("""{"token":"issued"}""");

    private static RegistryRepository At(ScriptedOrigin server) => new(server.Host, "team/web");

    private static RegistryClient Client(params string[] insecure)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPem(Authority.Pem);
        return new RegistryClient(new RegistryEndpoints(insecure), roots, TimeProvider.System,
            new RegistryNetwork { Redirects = new RedirectRules(["127.0.0.1"]) });
    }
}
