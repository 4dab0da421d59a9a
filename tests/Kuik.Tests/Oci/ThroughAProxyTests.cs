using System.Security.Cryptography.X509Certificates;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>A corporate proxy on the wire: what goes through it, what it is shown, and what can be checked behind it.</summary>
public sealed class ThroughAProxyTests : IAsyncLifetime
{
    private static readonly RegistryCredential Robot = new("robot", "secret");
    private static readonly CertificateAuthority Authority = new("private");
    private static readonly string[] Direct = ["direct.example", "203.0.113.2", "127.0.0.1"];

    private readonly TestImage image = TestImage.Small(seed: 1);
    private readonly ScriptedProxy proxy = ScriptedProxy.Start("clerk", "pass:word");
    private ScriptedOrigin plain = null!;
    private ScriptedOrigin tls = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private string Layer => image.Layers[1].Digest;

    public async ValueTask InitializeAsync()
    {
        (plain, tls) = (await ScriptedOrigin.Start(),
            await ScriptedOrigin.Start(Authority.Issue("CN=registry", "registry.example", "tls.example")));
        plain.Add("team/web", "1", image);
        tls.Add("team/web", "1", image);
        proxy.Leads("registry.example:80", plain.Host);
        proxy.Leads("plain.example:80", plain.Host);
        proxy.Leads("registry.example:443", tls.Host);
        proxy.Leads("tls.example:443", tls.Host);
    }

    public async ValueTask DisposeAsync()
    {
        await proxy.DisposeAsync();
        await plain.DisposeAsync();
        await tls.DisposeAsync();
    }

    [Fact]
    public async Task TLS_goes_through_a_tunnel_and_plain_HTTP_by_its_whole_address_with_the_proxys_own_credentials()
    {
        using var client = Client($"http://clerk:pass%3Aword@{proxy.Host}");
        var shown = "Basic " + Convert.ToBase64String("clerk:pass:word"u8);

        Assert.Equal(image.Bytes, (await client.GetManifest(new("tls.example", "team/web"), "1", null, Stop)).Bytes);
        Assert.Equal(image.Bytes, (await client.GetManifest(new("plain.example", "team/web"), "1", null, Stop)).Bytes);

        var address = "http://plain.example/v2/team/web/manifests/1";
        Assert.Equal(
            [new("CONNECT", "tls.example:443", null), new("CONNECT", "tls.example:443", shown), new("GET", address, null),
                new("GET", address, shown)],
            proxy.Ledger);
        Assert.All(plain.Ledger.Concat(tls.Ledger), request => Assert.Null(request.Authorization));
    }

    [Theory]
    [InlineData("tls.example")]
    [InlineData("plain.example")]
    public async Task Credentials_that_the_proxy_refuses_are_not_sent_to_any_server(string host)
    {
        using var client = Client($"http://clerk:wrong@{proxy.Host}");

        var error = await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(new(host, "team/web"), "1", Robot, Stop));

        Assert.Contains("407", error.Message, StringComparison.Ordinal);
        Assert.All(["clerk", "wrong", "robot", "secret"], word => Assert.DoesNotContain(word, error.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Who_is_in_no_proxy_or_on_this_machine_is_reached_without_it()
    {
        var internet = new TestInternet();
        internet.Name("direct.example", "203.0.113.1");
        using var client = Client($"http://{proxy.Host}", "direct.example,203.0.113.0/24", internet);

        foreach (var host in Direct)
            await client.GetManifest(new($"{host}:{PortOf(plain)}", "team/web"), "1", null, Stop);

        Assert.Empty(proxy.Ledger);
        Assert.Equal(["203.0.113.1", "203.0.113.2", "127.0.0.1"], internet.Connected);
    }

    [Theory]
    [InlineData("http://169.254.169.254/latest", "never allowed")]
    [InlineData("http://10.1.2.3/latest", "would allow it")]
    [InlineData("http://[fd12::1]/latest", "would allow it")]
    [InlineData("http://metadata.google.internal/latest", "never allowed")]
    [InlineData("http://127.0.0.1/latest", "would allow it")]
    [InlineData("http://localhost/latest", "would allow it")]   // not behind the proxy: looked up and refused
    public async Task Behind_a_proxy_addresses_and_known_names_are_refused(string to, string end)
    {
        plain.Script = request => Misbehave.Answer(307, ("Location", to));
        using var client = Client($"http://clerk:pass%3Aword@{proxy.Host}");

        var error = await Assert.ThrowsAsync<RegistryException>(() =>
            client.OpenBlob(new("plain.example", "team/web"), Layer, null, null, Stop));

        Assert.EndsWith(end, error.Message, StringComparison.Ordinal);
        Assert.All(proxy.Ledger, request => Assert.StartsWith("http://plain.example/", request.Target, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Credentials_do_not_follow_a_redirect_to_another_scheme_of_the_same_name()
    {
        plain.Script = request => request.Authorization is null ? Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"x\""))
            : Misbehave.Answer(307, ("Location", $"https://registry.example{request.Path}"));
        using var client = Client($"http://clerk:pass%3Aword@{proxy.Host}");

        await using var blob = await client.OpenBlob(new("registry.example", "team/web"), Layer, null, Robot, Stop);

        Assert.Contains(plain.Ledger, request => request.Authorization is not null);
        Assert.Null(Assert.Single(tls.Ledger).Authorization);
    }

    private static int PortOf(ScriptedOrigin origin) => new Uri("http://" + origin.Host).Port;

    private RegistryClient Client(string address, string? without = null, TestInternet? internet = null)
    {
        var rules = ProxyRules.From(name => name switch { "http_proxy" or "https_proxy" => address, "no_proxy" => without, _ => null });
        var insecure = Direct.Select(host => $"{host}:{PortOf(plain)}").Append("registry.example").Append("plain.example");
        var roots = new X509Certificate2Collection();
        roots.ImportFromPem(Authority.Pem);
        return new RegistryClient(
            new RegistryEndpoints(insecure.Select(host => $"http://{host}")), roots, TimeProvider.System,
            (internet?.Network() ?? new RegistryNetwork()) with { Proxies = rules });
    }
}
