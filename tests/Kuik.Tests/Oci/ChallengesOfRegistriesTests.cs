using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>
/// Registries that challenge later, twice, elsewhere or in another way than most do; each from a report of a user whose other clients
/// pulled.
/// </summary>
public sealed class ChallengesOfRegistriesTests : IAsyncLifetime
{
    private static readonly RegistryCredential Robot = new("robot", "secret");
    private static readonly string Password = "Basic " + Convert.ToBase64String("robot:secret"u8);

    private readonly FakeTimeProvider time = new(DateTimeOffset.UtcNow);
    private readonly TestImage image = TestImage.Small(seed: 1);
    private ScriptedOrigin origin = null!;
    private ScriptedOrigin other = null!;
    private RegistryClient client = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private RegistryRepository Web => new(origin.Host, "team/web");

    public async ValueTask InitializeAsync()
    {
        (origin, other) = (await ScriptedOrigin.Start(), await ScriptedOrigin.Start());
        foreach (var server in new[] { origin, other })
            foreach (var repository in new[] { "team/web", "team/open", "team/private" })
                server.Add(repository, "1", image);
        client = NewClient();
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await origin.DisposeAsync();
        await other.DisposeAsync();
    }

    [Theory]
    [InlineData("at once", "manifest")]
    [InlineData("at once", "blob")]
    [InlineData("after a challenge at /v2/", "manifest")]
    [InlineData("after a challenge at /v2/", "blob")]
    [InlineData("after a token", "manifest")]
    [InlineData("after a token", "blob")]
    public async Task A_registry_that_redirects_to_one_that_challenges_is_pulled_from_and_the_credential_stays_here(string redirects,
        string what)
    {
        var challenge = $"Bearer realm=\"http://{other.Host}/token\",service=\"b\",scope=\"repository:team/web:pull\"";
        var redirect = (OriginRequest request) => Misbehave.Answer(307, ("Location", $"http://{other.Host}{request.Path}"));
        origin.Script = request => redirects == "after a challenge at /v2/" && request.Path == "/v2/"
            ? Misbehave.Answer(401, ("WWW-Authenticate", challenge))
            : redirects == "after a token" && request.Authorization is null
            ? Misbehave.Answer(401, ("WWW-Authenticate", challenge))
            : redirect(request);
        other.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal)
            ? Token(request.Authorization is null ? "anon" : "robots")
            : request.Authorization == "Bearer anon" ? null : Misbehave.Answer(401, ("WWW-Authenticate", challenge));

        foreach (var _ in Enumerable.Range(0, 2))
            await Pull("team/web", what, Robot);

        Assert.DoesNotContain(Password,
            other.Ledger.Where(request => !request.Path.StartsWith("/token", StringComparison.Ordinal))
                .Select(request => request.Authorization));
        if (redirects != "after a token")   // where the registry itself names that token server, the credential is for it
            Assert.DoesNotContain(Password, other.Ledger.Select(request => request.Authorization));
        Assert.DoesNotContain("Bearer robots", other.Ledger.Select(request => request.Authorization));
    }

    [Fact]
    public async Task A_token_whose_scope_is_not_sufficient_is_followed_by_one_that_is()
    {
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal)
            ? Token(request.Path.Contains("real", StringComparison.Ordinal) ? "good" : "small")
            : request.Authorization is null ? Misbehave.Answer(401, ("WWW-Authenticate", Bearer()))
            : request.Authorization == "Bearer good" ? null
            : Misbehave.Answer(401, ("WWW-Authenticate", Bearer(",scope=\"repository:real/web:pull\",error=\"insufficient_scope\"")));

        Assert.Equal(image.Digest, (await client.GetManifest(Web, "1", null, Stop)).Digest);
        var before = origin.Ledger.Count;
        await client.GetManifest(Web, "1", null, Stop);

        Assert.Equal(before + 1, origin.Ledger.Count);
    }

    [Fact]
    public async Task Basic_is_sent_where_it_is_asked_for_after_a_token()
    {
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal) ? Token("small")
            : request.Authorization == Password ? null
            : Misbehave.Answer(401, ("WWW-Authenticate", request.Authorization is null ? Bearer() : "Basic realm=\"harbor\""));

        Assert.Equal(image.Digest, (await client.GetManifest(Web, "1", Robot, Stop)).Digest);
    }

    [Fact]
    public async Task Basic_is_sent_where_it_is_offered_beside_a_token_server_that_is_down()
    {
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal) ? Misbehave.Answer(503)
            : request.Authorization == Password ? null : Misbehave.Answer(401, ("WWW-Authenticate", Bearer() + ", Basic realm=\"x\""));

        Assert.Equal(image.Digest, (await client.GetManifest(Web, "1", Robot, Stop)).Digest);
    }

    [Fact]
    public async Task A_challenge_that_comes_again_ends_the_call()
    {
        var issued = 0;
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal)
            ? Token($"token-{++issued}")
            : Misbehave.Answer(401, ("WWW-Authenticate", Bearer()));

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", Robot, Stop));

        Assert.Equal((RegistryErrorKind.Refused, 1), (error.Kind, issued));
    }

    [Fact]
    public async Task Challenges_that_never_end_end_the_call()
    {
        var asked = 0;
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal) ? Token($"token-{asked}")
            : Misbehave.Answer(401, ("WWW-Authenticate", Bearer($",scope=\"repository:more/{++asked}:pull\"")));

        await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", Robot, Stop));

        Assert.Equal(4, asked);
    }

    public static TheoryData<int, string, bool> AnswersWithoutAChallenge()
    {
        var data = new TheoryData<int, string, bool>();
        foreach (var (status, body) in new[]
        {
            (404, RegistryErrors.Body("NAME_UNKNOWN", "")), (404, RegistryErrors.Body("MANIFEST_UNKNOWN", "")), (401, ""),
            (403, RegistryErrors.Body("DENIED", "")),
        })
            foreach (var isBearer in new[] { false, true })
                data.Add(status, body, isBearer);
        return data;
    }

    [Theory]
    [MemberData(nameof(AnswersWithoutAChallenge))]
    public async Task A_registry_that_challenges_at_v2_only_is_pulled_from(int status, string body, bool isBearer)
    {
        var wanted = isBearer ? "Bearer issued" : Password;
        var issued = "Bearer issued";
        origin.Script = request => request.Path == "/v2/"
            ? Misbehave.Answer(401, ("WWW-Authenticate", isBearer ? Bearer() : "Basic realm=\"x\""))
            : request.Path.StartsWith("/token", StringComparison.Ordinal)
            ? Token((issued == "Bearer issued" ? wanted : issued)["Bearer ".Length..])
            : request.Authorization == wanted ? null : Misbehave.Say(status, body);

        await Pull("team/web", "manifest", Robot);
        await Pull("team/web", "blob", Robot);
        await Pull("team/private", "manifest", Robot);
        if (isBearer)
        {
            (wanted, issued) = ("Bearer renewed", "Bearer renewed");   // the registry has forgotten its tokens
            await Pull("team/web", "manifest", Robot);
        }

        Assert.Single(origin.Ledger, request => request.Path == "/v2/");
    }

    [Fact]
    public async Task Basic_that_is_asked_for_with_a_403_is_sent()
    {
        origin.Script = request => request.Authorization == Password
            ? null
            : Misbehave.Answer(403, ("WWW-Authenticate", "Basic realm=\"x\""));

        Assert.Equal(image.Digest, (await client.GetManifest(Web, "1", Robot, Stop)).Digest);
        Assert.DoesNotContain("/v2/", origin.Ledger.Select(request => request.Path));
    }

    [Theory]
    [InlineData(200)]
    [InlineData(404)]
    [InlineData(503)]
    public async Task Images_that_are_missing_at_an_open_registry_ask_v2_once_for_some_minutes(int status)
    {
        origin.Script = request => request.Path == "/v2/" ? Misbehave.Answer(status) : Misbehave.Answer(404);

        await Task.WhenAll(Enumerable.Range(0, 5)
            .Select(i => Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, $"{i}", Robot, Stop))));
        time.Advance(TimeSpan.FromSeconds(20));
        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "6", Robot, Stop));

        Assert.Equal(RegistryErrorKind.Gone, error.Kind);
        Assert.Single(origin.Ledger, request => request.Path == "/v2/");
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    public async Task A_missing_image_stays_missing_where_the_challenge_of_v2_does_not_help(int afterToken)
    {
        origin.Script = request => request.Path == "/v2/" ? Misbehave.Answer(401, ("WWW-Authenticate", Bearer()))
            : request.Path.StartsWith("/token", StringComparison.Ordinal) ? Token("issued")
            : request.Authorization is null
            ? Misbehave.Say(404, RegistryErrors.Body("MANIFEST_UNKNOWN", "no such tag"))
            : Misbehave.Answer(afterToken);

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", Robot, Stop));

        Assert.Equal(RegistryErrorKind.Gone, error.Kind);
        Assert.EndsWith("MANIFEST_UNKNOWN no such tag", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(401, true)]
    [InlineData(403, true)]
    [InlineData(503, true)]
    [InlineData(401, false)]
    [InlineData(403, false)]
    [InlineData(503, false)]
    public async Task A_public_repository_is_pulled_after_a_private_one_of_the_same_host(int refusal, bool isAnonymous)
    {
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal)
            ? request.Authorization == Password
            ? Token("t")
            : Misbehave.Answer(refusal)
            : request.Path.Contains("private", StringComparison.Ordinal) && request.Authorization != "Bearer t"
            ? Misbehave.Answer(401, ("WWW-Authenticate", Bearer()))
            : null;
        var credential = isAnonymous ? null : new RegistryCredential("stranger", "unknown");

        await Pull("team/open", "manifest", credential);
        await Pull("team/private", "manifest", Robot);
        await Pull("team/open", "manifest", credential);
        await Pull("team/open", "blob", credential);
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(503)]
    public async Task A_repository_that_was_made_public_is_pulled_although_its_token_server_refuses(int refusal)
    {
        var isPublic = false;
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal)
            ? isPublic
            ? Misbehave.Answer(refusal)
            : Token("t")
            : !isPublic && request.Authorization is null ? Misbehave.Answer(401, ("WWW-Authenticate", Bearer())) : null;
        await Pull("team/web", "manifest", Robot);
        isPublic = true;
        time.Advance(TimeSpan.FromMinutes(30));

        await Pull("team/web", "manifest", Robot);
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    public async Task A_repository_that_refuses_a_token_it_gave_before_is_asked_without(int refusal)
    {
        var isPublic = false;
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal) ? Token("t")
            : isPublic ? request.Authorization is null ? null : Misbehave.Answer(refusal)
            : request.Authorization is null ? Misbehave.Answer(401, ("WWW-Authenticate", Bearer())) : null;
        await Pull("team/web", "manifest", Robot);
        isPublic = true;

        await Pull("team/web", "manifest", Robot);
    }

    [Fact]
    public async Task The_blobs_of_a_repository_need_one_challenge_and_one_token()
    {
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal) ? Token("t")
            : request.Authorization is null
            ? Misbehave.Answer(401, ("WWW-Authenticate", Bearer(",scope=\"repository:team/web:pull\"")))
            : null;

        await Pull("team/web", "manifest", Robot);
        foreach (var _ in Enumerable.Range(0, 5))
            await Pull("team/web", "blob", Robot);
        await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "missing", Robot, Stop));

        Assert.Equal(2 + 1 + 5 + 1, origin.Ledger.Count);
        Assert.Equal("/token?service=a&scope=repository%3Ateam%2Fweb%3Apull",
            Assert.Single(origin.Ledger, request => request.Authorization == Password).Path);
    }

    [Theory]
    [InlineData("""{"token":"\ud800"}""")]
    [InlineData("{\"token\":\"\u00ff\"}")]
    [InlineData("""{"token":"two words"}""")]
    public async Task A_token_that_no_header_can_hold_is_an_error_of_the_token_server(string json)
    {
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal)
            ? (http, _) => http.Response.Body.WriteAsync(System.Text.Encoding.Latin1.GetBytes(json)).AsTask()
        : Misbehave.Answer(401, ("WWW-Authenticate", Bearer()));

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", null, Stop));

        Assert.Equal(RegistryErrorKind.Broken, error.Kind);
        Assert.StartsWith($"GET http://{origin.Host}/token: ", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("two words")]
    [InlineData("line\nbreak")]
    [InlineData("t\u00e4st")]
    public async Task A_registry_token_that_no_header_can_hold_is_refused_and_not_shown(string token)
    {
        origin.Script = _ => Misbehave.Answer(401, ("WWW-Authenticate", Bearer()));

        var error = await Assert.ThrowsAsync<RegistryException>(() =>
            client.GetManifest(Web, "1", Robot with { RegistryToken = token }, Stop));

        Assert.Equal(RegistryErrorKind.Refused, error.Kind);
        Assert.EndsWith("in the pull secret is none: no header can hold it", error.Message, StringComparison.Ordinal);
    }

    private string Bearer(string further = "") => $"Bearer realm=\"http://{origin.Host}/token\",service=\"a\"{further}";

    private static Misbehaviour Token(string value) => (http, _) => http.Response.WriteAsync($$"""{"token":"{{value}}"}""");

    private RegistryClient NewClient() => new(new RegistryEndpoints([$"http://{origin.Host}", $"http://{other.Host}"]), [], time);

    private async Task Pull(string repository, string what, RegistryCredential? credential)
    {
        if (what == "manifest")
            Assert.Equal(image.Bytes, (await client.GetManifest(Web with { Name = repository }, "1", credential, Stop)).Bytes);
        else
            await using (var blob = await client.OpenBlob(Web with { Name = repository }, image.Layers[1].Digest, null, credential, Stop))
            {
                using var bytes = new MemoryStream();
                await blob.Body.CopyToAsync(bytes, Stop);
                Assert.Equal(image.Layers[1].Bytes, bytes.ToArray());
            }
    }
}
