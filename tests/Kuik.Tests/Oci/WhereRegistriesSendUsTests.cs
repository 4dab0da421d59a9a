using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>Redirects and token realms, on the wire: what is really connected to.</summary>
public sealed class WhereRegistriesSendUsTests : IAsyncLifetime
{
    private static readonly RegistryCredential Robot = new("robot", "secret");
    private static readonly string[] Names = ["public.test", "private.test", "loopback.test", "store.test"];

    private readonly TestInternet internet = new();
    private readonly TestImage image = TestImage.Small(seed: 1);
    private ScriptedOrigin origin = null!;
    private ScriptedOrigin store = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private string Layer => image.Layers[1].Digest;

    public async ValueTask InitializeAsync()
    {
        (origin, store) = (await ScriptedOrigin.Start(), await ScriptedOrigin.Start());
        origin.Add("team/web", "1", image);
        store.Add("team/web", "1", image);
        internet.Name("public.test", "203.0.113.1");
        internet.Name("private.test", "10.1.1.1");
        internet.Name("loopback.test", "127.0.0.1");
        internet.Name("store.test", "10.9.9.9");
    }

    public async ValueTask DisposeAsync()
    {
        await origin.DisposeAsync();
        await store.DisposeAsync();
    }

    [Theory]
    [InlineData("http://169.254.169.254")]
    [InlineData("http://169.254.169.254.")]
    [InlineData("http://2852039166")]
    [InlineData("http://0xa9fea9fe")]
    [InlineData("http://0251.0376.0251.0376")]
    [InlineData("http://169.254.43518")]
    [InlineData("http://[::ffff:169.254.169.254]")]
    [InlineData("http://[::ffff:a9fe:a9fe]")]
    [InlineData("http://[64:ff9b::a9fe:a9fe]")]
    [InlineData("http://[fd00:ec2::254]")]
    [InlineData("http://[fe80::1]")]
    [InlineData("http://169.254.1.1:8080")]
    [InlineData("http://100.100.100.200")]
    [InlineData("http://metadata.google.internal")]
    [InlineData("http://METADATA.google.internal.")]
    [InlineData("http://rebound.test")]
    public async Task No_registry_may_redirect_to_link_local_or_metadata_addresses_in_any_notation(string address)
    {
        internet.Name("rebound.test", "169.254.169.254");
        internet.Name("169.254.169.254.", "169.254.169.254");
        RedirectBlobsTo(address + "/latest/meta-data?signature=hidden");
        using var client = Client("0.0.0.0/0", "::/0", "rebound.test");

        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client, "loopback.test"));

        Assert.Equal((RegistryErrorKind.Broken, false), (error.Kind, error.IsTransient));
        Assert.StartsWith($"GET http://loopback.test:{Port(origin)}/v2/team/web/blobs/{Layer}: a redirect to http://", error.Message,
            StringComparison.Ordinal);
        Assert.EndsWith("which is never allowed", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", error.ToString(), StringComparison.Ordinal);
        Assert.Equal(["127.0.0.1"], internet.Connected);
    }

    [Theory]
    [InlineData("public.test", "http://10.9.9.9:PORT", "10.9.9.9 is private")]
    [InlineData("public.test", "http://store.test:PORT", "10.9.9.9 is private")]
    [InlineData("public.test", "http://127.0.0.1:PORT", "127.0.0.1 is a loopback address")]
    [InlineData("public.test", "http://127.1:PORT", "127.0.0.1 is a loopback address")]
    [InlineData("private.test", "http://127.0.0.1:PORT", "127.0.0.1 is a loopback address")]
    [InlineData("private.test", "http://loopback.test:PORT", "127.0.0.1 is a loopback address")]
    [InlineData("private.test", "http://store.test:PORT", null)]
    [InlineData("loopback.test", "http://store.test:PORT", null)]
    [InlineData("loopback.test", "http://127.0.0.1:PORT", null)]
    [InlineData("public.test", "http://public.test:PORT", null)]
    public async Task A_registry_may_send_us_only_to_networks_that_it_is_on_itself(string registry, string to, string? objection)
    {
        RedirectBlobsTo(to.Replace("PORT", $"{Port(store)}", StringComparison.Ordinal));
        using var client = Client();

        var pull = Pull(client, registry);

        if (objection is null)
        {
            Assert.Equal(image.Layers[1].Bytes, await pull);
            return;
        }
        var error = await Assert.ThrowsAsync<RegistryException>(() => pull);
        Assert.Contains(objection, error.Message, StringComparison.Ordinal);
        Assert.EndsWith("Kuik:AllowedPrivateAddresses would allow it", error.Message, StringComparison.Ordinal);
        Assert.False(error.IsTransient);
        Assert.Empty(store.Ledger);
    }

    [Theory]
    [InlineData("10.0.0.0/8")]
    [InlineData("10.9.9.9")]
    [InlineData("store.test")]
    public async Task A_private_address_that_is_allowed_is_followed(string allowed)
    {
        RedirectBlobsTo($"http://store.test:{Port(store)}");
        using var client = Client(allowed);

        Assert.Equal(image.Layers[1].Bytes, await Pull(client, "public.test"));
    }

    [Fact]
    public async Task Every_hop_is_looked_at()
    {
        RedirectBlobsTo($"http://public.test:{Port(store)}");
        store.Script = _ => Misbehave.Answer(302, ("Location", "http://10.9.9.9/secrets"));
        using var client = Client();

        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client, "public.test"));

        Assert.StartsWith($"GET http://public.test:{Port(store)}/", error.Message, StringComparison.Ordinal);
        Assert.Contains("a redirect to http://10.9.9.9/secrets is refused: 10.9.9.9 is private", error.Message, StringComparison.Ordinal);
        Assert.Equal(["203.0.113.1", "203.0.113.1"], internet.Connected);
    }

    [Fact]
    public async Task A_name_that_leads_elsewhere_the_second_time_is_refused_the_second_time()
    {
        RedirectBlobsTo($"http://store.test:{Port(store)}");
        store.Script = _ => Closing;
        using var client = Client();
        internet.Name("store.test", "203.0.113.9");
        await Pull(client, "public.test");
        internet.Name("store.test", "169.254.169.254");

        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client, "public.test"));

        Assert.Contains("169.254.169.254 gives machines their credentials", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("169.254.169.254", internet.Connected);
    }

    [Fact]
    public async Task Of_several_addresses_only_those_are_connected_to_that_may_be()
    {
        RedirectBlobsTo($"http://store.test:{Port(store)}");
        internet.Name("store.test", "169.254.169.254", "10.9.9.9", "203.0.113.9");
        using var client = Client();

        Assert.Equal(image.Layers[1].Bytes, await Pull(client, "public.test"));

        Assert.Equal(["203.0.113.1", "203.0.113.9"], internet.Connected);
    }

    [Fact]
    public async Task A_connection_that_another_registry_could_make_is_not_lent_to_one_that_could_not()
    {
        RedirectBlobsTo($"http://store.test:{Port(store)}");
        using var client = Client();
        await Pull(client, "store.test", store);   // as its own registry
        await Pull(client, "private.test");        // sent there from a private one

        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client, "public.test"));

        Assert.Contains("10.9.9.9 is private", error.Message, StringComparison.Ordinal);
        Assert.Equal(2, store.Ledger.Count);
    }

    [Fact]
    public async Task A_registry_that_was_public_once_cannot_become_private_by_changing_its_name()
    {
        RedirectBlobsTo($"http://10.9.9.9:{Port(store)}");
        using var client = Client();
        await Assert.ThrowsAsync<RegistryException>(() => Pull(client, "public.test"));
        internet.Name("public.test", "10.1.1.1");

        await Assert.ThrowsAsync<RegistryException>(() => Pull(client, "public.test"));

        Assert.Equal(["203.0.113.1", "10.1.1.1"], internet.Connected);
        Assert.Empty(store.Ledger);
    }

    [Theory]
    [InlineData("http://169.254.169.254/token", "169.254.169.254 gives machines their credentials, which is never allowed")]
    [InlineData("http://10.9.9.9/token",
        "10.9.9.9 is private and the registry is not on a private address itself; Kuik:AllowedPrivateAddresses would allow it")]
    [InlineData("http://loopback.test/token",
        "127.0.0.1 is a loopback address and the registry is not on one itself; Kuik:AllowedPrivateAddresses would allow it")]
    public async Task A_token_realm_is_held_to_the_same(string realm, string objection)
    {
        origin.Script = _ => Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"{realm}?key=hidden\""));
        using var client = Client();

        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client, "public.test"));

        Assert.Equal($"public.test:{Port(origin)} names a token server, {realm}, that is refused: {objection}", error.Message);
        Assert.False(error.IsTransient);
        Assert.Equal(["203.0.113.1"], internet.Connected);
    }

    [Fact]
    public async Task A_private_registry_may_have_its_token_server_beside_it()
    {
        store.Script = _ => (http, _) => http.Response.WriteAsync("""{"token":"t"}""");
        origin.Script = request => request.Authorization == "Bearer t" ? null
            : Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"http://store.test:{Port(store)}/token\""));
        using var client = Client();

        Assert.Equal(image.Layers[1].Bytes, await Pull(client, "private.test"));
    }

    [Fact]
    public async Task A_redirect_to_no_address_is_an_error_of_the_registry()
    {
        RedirectBlobsTo("http://:80");
        using var client = Client();

        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client, "public.test"));

        Assert.Equal((RegistryErrorKind.Broken, false), (error.Kind, error.IsTransient));
    }

    private static Misbehaviour Closing => (http, body) =>
    {
        http.Response.Headers.Connection = "close";
        return http.Response.Body.WriteAsync(body).AsTask();
    };

    private static int Port(ScriptedOrigin server) => new Uri("http://" + server.Host).Port;

    private void RedirectBlobsTo(string address) => origin.Script = request =>
        Misbehave.Answer(307, ("Location", address.Count(c => c == '/') > 2 ? address : address + request.Path), ("Connection", "close"));

    private RegistryClient Client(params string[] allowed)
    {
        var hosts = Names.SelectMany(name => new[] { $"http://{name}:{Port(origin)}", $"http://{name}:{Port(store)}" });
        return new RegistryClient(new RegistryEndpoints(hosts), [], TimeProvider.System, internet.Network(allowed));
    }

    private async Task<byte[]> Pull(RegistryClient client, string name, ScriptedOrigin? server = null)
    {
        await using var blob =
            await client.OpenBlob(new RegistryRepository($"{name}:{Port(server ?? origin)}", "team/web"), Layer, null, Robot, Stop);
        using var bytes = new MemoryStream();
        await blob.Body.CopyToAsync(bytes, Stop);
        return bytes.ToArray();
    }
}
