using System.Text;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>One host with a token server for each of its repositories, as a front of several registries has it.</summary>
public sealed class TokenServersTests : IAsyncLifetime
{
    private readonly TestImage image = TestImage.Small(seed: 1);
    private ScriptedOrigin origin = null!;
    private ScriptedOrigin other = null!;
    private RegistryClient client = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        origin = await ScriptedOrigin.Start();
        other = await ScriptedOrigin.Start();
        origin.Add("a/web", "1", image);
        origin.Add("b/web", "1", image);
        client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}", $"http://{other.Host}"]), [], TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await origin.DisposeAsync();
        await other.DisposeAsync();
    }

    [Fact]
    public async Task The_password_for_one_repository_does_not_go_to_the_token_server_of_another()
    {
        origin.Script = request => (request.Path.Split('/', '?'), request.Authorization) switch
        {
            (["", "token-b", ..], _) => Misbehave.Say(200, """{"token":"b"}"""),
            (["", "v2", "a", ..], not "Bearer a") => Challenge(other, "token-a"),
            (["", "v2", "b", ..], not "Bearer b") => Challenge(origin, "token-b"),
            _ => null,
        };
        other.Script = _ => Misbehave.Say(200, """{"token":"a"}""");

        await Pull("a/web", new RegistryCredential("a", "pa"));
        var pulled = await Pull("b/web", new RegistryCredential("b", "pb"));

        Assert.Equal(image.Bytes, pulled);
        var password = "Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes("b:pb"));
        Assert.DoesNotContain(other.Ledger, request => request.Authorization == password);
    }

    [Fact]
    public async Task A_foreseen_token_that_cannot_be_had_does_not_keep_the_registry_from_being_asked()
    {
        var isOpen = false;
        origin.Script = request => !isOpen && request.Authorization != "Bearer a" ? Challenge(other, "token-a") : null;
        other.Script = request =>
            request.Authorization is null ? Misbehave.Answer(403) : Misbehave.Say(200, """{"token":"a","expires_in":60}""");
        await Pull("a/web", new RegistryCredential("a", "pa"));
        isOpen = true;

        Assert.Equal(image.Bytes, await Pull("a/web", null));   // for which the token server gives none
    }

    private static Misbehaviour Challenge(ScriptedOrigin server, string path) =>
        Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"http://{server.Host}/{path}\",service=\"s\""));

    private async Task<byte[]> Pull(string repository, RegistryCredential? credential) =>
        (await client.GetManifest(new RegistryRepository(origin.Host, repository), "1", credential, Stop)).Bytes;
}
