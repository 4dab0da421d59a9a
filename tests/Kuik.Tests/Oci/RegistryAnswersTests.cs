using System.Net;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>
/// Responses of registries other than a manifest, and their handling. The responses are real ones, from documentation and from reports of
/// users; scripted, because no real registry sends them on demand.
/// </summary>
public sealed class RegistryAnswersTests : IAsyncLifetime
{
    private ScriptedOrigin origin = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => origin = await ScriptedOrigin.Start();

    public ValueTask DisposeAsync() => origin.DisposeAsync();

    [Theory]
    [InlineData("distribution: no such tag", 404,
        """{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"1"}}]}""", RegistryErrorKind.Gone, false)]
    [InlineData("GitLab: no such repository", 404,
        """{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}""", RegistryErrorKind.Gone, false)]
    [InlineData("Quay: a deleted tag", 410, "", RegistryErrorKind.Gone, false)]
    [InlineData("Docker Hub: private or missing", 401,
        """{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":[]}]}""", RegistryErrorKind.Refused, false)]
    [InlineData("GitLab: not a member", 403, """{"errors":[{"code":"DENIED","message":"access forbidden"}]}""", RegistryErrorKind.Refused,
        false)]
    [InlineData("ECR: an expired password", 403,
        """{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate and try again."}]}""",
        RegistryErrorKind.Refused, false)]
    [InlineData("ECR Public: a bad token", 400, """{"errors":[{"code":"DENIED","message":"Your Authorization Token is invalid."}]}""",
        RegistryErrorKind.Refused, false)]
    [InlineData("a token server: a bad refresh token", 400, """{"error":"invalid_grant","error_description":"the token is expired"}""",
        RegistryErrorKind.Refused, false)]
    [InlineData("Harbor: unsigned or vulnerable", 412,
        """{"errors":[{"code":"PROJECTPOLICYVIOLATION","message":"The image is not signed by cosign."}]}""", RegistryErrorKind.Refused,
        false)]
    [InlineData("a subscription has ended", 402, "", RegistryErrorKind.Refused, false)]
    [InlineData("taken down by a court", 451, "", RegistryErrorKind.Refused, false)]
    [InlineData("Docker Hub: the pull limit", 429,
        """{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}""", RegistryErrorKind.RateLimited,
        true)]
    [InlineData("GitLab: too many requests", 429, "Retry later\n", RegistryErrorKind.RateLimited, true)]
    [InlineData("a proxy before a limit", 503, """{"errors":[{"code":"TOOMANYREQUESTS","message":"Rate exceeded"}]}""",
        RegistryErrorKind.RateLimited, true)]
    [InlineData("a name it does not like", 400, """{"errors":[{"code":"NAME_INVALID","message":"invalid repository name"}]}""",
        RegistryErrorKind.Broken, false)]
    [InlineData("no such method", 405, "", RegistryErrorKind.Broken, false)]
    [InlineData("too slow for it", 408, "", RegistryErrorKind.Broken, true)]
    [InlineData("a bug", 500, """{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}""", RegistryErrorKind.Broken, true)]
    [InlineData("a gateway", 502, "<html><body>Bad Gateway</body></html>", RegistryErrorKind.Broken, true)]
    [InlineData("an upgrade", 503, "", RegistryErrorKind.Broken, true)]
    [InlineData("a gateway's patience", 504, "", RegistryErrorKind.Broken, true)]
    [InlineData("a redirect to nowhere", 307, "", RegistryErrorKind.Broken, false)]
    public async Task An_answer_says_what_it_is_and_whether_another_try_helps(string what, int status, string body, RegistryErrorKind kind,
        bool isTransient)
    {
        origin.Script = _ => Misbehave.Say(status, body);

        var error = await Ask($"http://{origin.Host}");

        Assert.Equal((what, kind, isTransient), (what, error.Kind, error.IsTransient));
        Assert.Equal(status, (int)error.Status!.Value);
        Assert.Contains($"{status}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_login_page_is_no_manifest()
    {
        origin.Script = _ => Misbehave.Say(200, "<html><form action=\"/login\"></form></html>", "text/html; charset=utf-8");

        var error = await Ask($"http://{origin.Host}");

        Assert.Equal((RegistryErrorKind.Broken, false), (error.Kind, error.IsTransient));
        Assert.Contains("a page for a browser", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_that_does_not_speak_TLS_is_unreachable()
    {
        var error = await Ask($"https://{origin.Host}");

        Assert.Equal((RegistryErrorKind.Unreachable, true), (error.Kind, error.IsTransient));
        Assert.Empty(origin.Ledger);
    }

    [Fact]
    public async Task A_name_that_does_not_resolve_is_unreachable()
    {
        using var client = new RegistryClient(new RegistryEndpoints([]), [], TimeProvider.System);

        // RFC 6761: this name never resolves. Not through a proxy, which would answer for it.
        var error = await Assert.ThrowsAsync<RegistryException>(() =>
            client.GetManifest(new RegistryRepository("registry.invalid", "team/web"), "1", null, Stop));

        Assert.Equal((RegistryErrorKind.Unreachable, true, (HttpStatusCode?)null), (error.Kind, error.IsTransient, error.Status));
    }

    private async Task<RegistryException> Ask(string endpoint)
    {
        using var client = new RegistryClient(new RegistryEndpoints([endpoint]), [], TimeProvider.System);
        return await Assert.ThrowsAsync<RegistryException>(() =>
            client.GetManifest(new RegistryRepository(origin.Host, "team/web"), "1", null, Stop));
    }
}
