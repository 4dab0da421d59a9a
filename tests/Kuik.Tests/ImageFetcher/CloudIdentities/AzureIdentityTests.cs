using System.Buffers.Text;
using System.Text;
using Kuik.Hosting;
using Kuik.ImageFetcher;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class AzureIdentityTests : IAsyncLifetime
{
    private const string NoUser = "00000000-0000-0000-0000-000000000000";
    private const string Login = "POST https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token";
    private const string Managed =
        "GET http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcontainerregistry.azure.";

    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
    private readonly Dictionary<string, string?> environment = [];
    private ScriptedCloud cloud = null!;

    public async ValueTask InitializeAsync()
    {
        cloud = await ScriptedCloud.Start();
        cloud.Answers(Login, """{"token_type":"Bearer","expires_in":3599,"access_token":"hunter2-entra"}""")
            .Answers("POST https://shop.azurecr.io/oauth2/exchange", """{"refresh_token":"hunter2-refresh"}""");
    }

    public ValueTask DisposeAsync() => cloud.DisposeAsync();

    [Fact]
    public async Task A_workload_identity_is_exchanged_for_the_registrys_refresh_token()
    {
        await UseWorkloadIdentity();

        var got = await Ask();

        Assert.Equal(new CloudToken(new RegistryCredential(NoUser, "", IdentityToken: "hunter2-refresh"), time.GetUtcNow().AddHours(1)),
            got);
        Assert.Equal(
            [
                "grant_type=client_credentials&client_id=client-1&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
                    + "&client_assertion=hunter2-projected&scope=https%3A%2F%2Fcontainerregistry.azure.net%2F.default",
                "grant_type=access_token&service=shop.azurecr.io&access_token=hunter2-entra&tenant=tenant-1",
            ],
            cloud.Requests.Select(request => request.Body));
        Assert.All(cloud.Requests, request => Assert.False(request.IsDirect));
    }

    [Theory]
    [InlineData(null, "")]
    [InlineData("client-1", "&client_id=client-1")]
    public async Task Without_a_workload_identity_the_nodes_managed_identity_is_asked_for_without_a_proxy(string? client, string which)
    {
        environment["AZURE_CLIENT_ID"] = client;
        cloud.Answers($"{Managed}net{which}", """{"access_token":"hunter2-managed","expires_in":"86399"}""");

        var got = await Ask();

        Assert.Equal("hunter2-refresh", got.Credential.IdentityToken);
        Assert.Equal((true, "true"), (cloud.Requests[0].IsDirect, cloud.Requests[0].Headers["metadata"]));
        Assert.Equal("grant_type=access_token&service=shop.azurecr.io&access_token=hunter2-managed", cloud.Requests[1].Body);
    }

    [Theory]
    [InlineData("shop.azurecr.cn", "cn")]
    [InlineData("shop.azurecr.us", "us")]
    public async Task Azures_other_clouds_have_an_audience_of_their_own(string host, string audience)
    {
        cloud.Answers($"{Managed}{audience}", """{"access_token":"hunter2"}""")
            .Answers($"POST https://{host}/oauth2/exchange", """{"refresh_token":"there"}""");

        Assert.Equal("there", (await Ask(host)).Credential.IdentityToken);
    }

    [Fact]
    public async Task The_refresh_token_says_itself_when_it_expires()
    {
        await UseWorkloadIdentity();
        var claims = Base64Url.EncodeToString(
            Encoding.UTF8.GetBytes($$"""{"jti":"x","exp":{{time.GetUtcNow().AddHours(3).ToUnixTimeSeconds()}}}"""));
        cloud.Answers("POST https://shop.azurecr.io/oauth2/exchange", $$"""{"refresh_token":"e30.{{claims}}.signature"}""");

        Assert.Equal(time.GetUtcNow().AddHours(3), (await Ask()).ExpiresAt);
    }

    [Theory]
    [InlineData("shop.azurecr.io", true)]
    [InlineData("shop-a1b2.azurecr.io", true)]
    [InlineData("azurecr.io", false)]
    [InlineData("shop.azurecr.io:443", false)]
    [InlineData("shop.azurecr.io.example.com", false)]
    [InlineData("shop.westeurope.data.azurecr.io", false)]
    [InlineData("mcr.microsoft.com", false)]
    public void Its_registries_are_known_by_their_names(string host, bool isIts) => Assert.Equal(isIts, Identity().For(host) is not null);

    [Fact]
    public async Task A_refusal_is_told_by_its_codes_and_without_what_was_sent()
    {
        await UseWorkloadIdentity();
        cloud.Answers(Login,
            """{"error":"invalid_client","error_description":"AADSTS70021: No matching federated identity record found for hunter2-projected","error_codes":[70021]}""", 401);

        var refusal = await Assert.ThrowsAsync<CloudIdentityException>(Ask);

        Assert.Equal($"{Login}: 401 invalid_client AADSTS70021", refusal.Message);
    }

    [Fact]
    public async Task A_registry_that_does_not_know_the_identity_is_told_by_its_code()
    {
        await UseWorkloadIdentity();
        cloud.Answers("POST https://shop.azurecr.io/oauth2/exchange",
            """{"errors":[{"code":"UNAUTHORIZED","message":"hunter2-entra is not enough"}]}""", 401);

        var refusal = await Assert.ThrowsAsync<CloudIdentityException>(Ask);

        Assert.Equal("POST https://shop.azurecr.io/oauth2/exchange: 401 UNAUTHORIZED", refusal.Message);
    }

    [Fact]
    public async Task A_token_file_that_is_not_there_is_told()
    {
        await UseWorkloadIdentity();
        environment["AZURE_FEDERATED_TOKEN_FILE"] = "/not/there";

        var refusal = await Assert.ThrowsAsync<CloudIdentityException>(Ask);

        Assert.StartsWith("AZURE_FEDERATED_TOKEN_FILE: ", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("login.microsoftonline.com")]
    [InlineData("http://login.microsoftonline.com")]
    public void An_authority_that_is_no_address_over_TLS_is_a_wrong_setting(string authority)
    {
        environment["AZURE_AUTHORITY_HOST"] = authority;

        Assert.StartsWith($"AZURE_AUTHORITY_HOST: \"{authority}\" is not accepted",
            Assert.Throws<InvalidSettingException>(Identity).Message, StringComparison.Ordinal);
    }

    /// <summary>The registry's side is a <see cref="ScriptedOrigin"/>: the tests' real registry knows no identity tokens.</summary>
    [Fact]
    public async Task The_registrys_token_server_gives_an_access_token_for_the_refresh_token()
    {
        var image = TestImage.Small(seed: 1);
        var form = "";
        await using var registry = await ScriptedOrigin.Start();
        registry.Add("team/app", "1", image);
        registry.Script = request => request switch
        {
            { Path: "/oauth2/token" } => GiveAccess,
            { Authorization: "Bearer access" } => null,
            _ => Misbehave.Answer(401,
                ("WWW-Authenticate", $"Bearer realm=\"http://{registry.Host}/oauth2/token\",service=\"{registry.Host}\"")),
        };
        await UseWorkloadIdentity();
        using var client = new RegistryClient(new RegistryEndpoints([$"http://{registry.Host}"]), [], TimeProvider.System);

        var manifest = await client.GetManifest(new RegistryRepository(registry.Host, "team/app"), "1", (await Ask()).Credential,
            TestContext.Current.CancellationToken);

        Assert.Equal(image.Bytes, manifest.Bytes);
        Assert.Equal($"service={registry.Host.Replace(":", "%3A", StringComparison.Ordinal)}&scope=repository%3Ateam%2Fapp%3Apull&grant_type=refresh_token&client_id=kuik&refresh_token=hunter2-refresh", form);

        async Task GiveAccess(HttpContext http, byte[] _)
        {
            form = await new StreamReader(http.Request.Body).ReadToEndAsync();
            await http.Response.WriteAsync("""{"access_token":"access"}""");
        }
    }

    private async Task UseWorkloadIdentity()
    {
        var file = Path.Combine(Sandbox.Shared.NewFolder("token"), "token");
        await File.WriteAllTextAsync(file, "hunter2-projected");
        (environment["AZURE_TENANT_ID"], environment["AZURE_CLIENT_ID"], environment["AZURE_FEDERATED_TOKEN_FILE"]) =
            ("tenant-1", "client-1", file);
        environment["AZURE_AUTHORITY_HOST"] = "https://login.microsoftonline.com/";
    }

    private AzureIdentity Identity() => new(new ConfigurationBuilder().AddInMemoryCollection(environment).Build(), cloud.Connections, time);

    private Task<CloudToken> Ask() => Ask("shop.azurecr.io");

    private Task<CloudToken> Ask(string host) => Identity().For(host)!(TestContext.Current.CancellationToken);
}
