using System.Security.Cryptography.X509Certificates;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>Private authorities and insecure registries on the wire.</summary>
public sealed class RegistryCertificatesTests : IAsyncLifetime
{
    private static readonly CertificateAuthority Ours = new("Corp Root");
    private static readonly CertificateAuthority Other = new("Another Authority");

    private readonly TestImage image = TestImage.Small(seed: 1);
    private ScriptedOrigin tls = null!;
    private ScriptedOrigin misnamed = null!;
    private ScriptedOrigin plain = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        tls = await ScriptedOrigin.Start(Ours.Issue("CN=registry", "127.0.0.1"));
        misnamed = await ScriptedOrigin.Start(Ours.Issue("CN=other", "other.example", "10.1.2.3"));
        plain = await ScriptedOrigin.Start();
        foreach (var origin in new[] { tls, misnamed, plain })
            origin.Add("team/web", "1", image);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var origin in new[] { tls, misnamed, plain })
            await origin.DisposeAsync();
    }

    [Fact]
    public async Task A_private_authority_is_trusted_when_it_is_named()
    {
        using var client = Client([Other, Ours]);

        Assert.Equal(image.Bytes, await Pull(client, tls));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_authority_that_is_not_named_is_refused_with_the_setting_that_would_name_it(bool isAnotherNamed)
    {
        using var client = Client(isAnotherNamed ? [Other] : []);

        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client, tls));

        Assert.Equal(RegistryErrorKind.Unreachable, error.Kind);
        Assert.Contains("the certificate of CN=Corp Root is not trusted", error.Message, StringComparison.Ordinal);
        Assert.Contains("Kuik:RootCertificateAuthorities", error.Message, StringComparison.Ordinal);
        Assert.Empty(tls.Ledger);
    }

    [Fact]
    public async Task A_certificate_for_another_name_is_refused_with_any_issuer()
    {
        using var client = Client([Ours]);

        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client, misnamed));

        Assert.EndsWith("the certificate is for another name: other.example, 10.1.2.3", error.Message, StringComparison.Ordinal);
        Assert.Empty(misnamed.Ledger);
    }

    [Fact]
    public async Task A_registry_listed_with_https_is_reached_by_TLS_whatever_it_shows_and_by_nothing_else()
    {
        using var client = Client([], $"https://{misnamed.Host}", $"https://{plain.Host}");

        Assert.Equal(image.Bytes, await Pull(client, misnamed));
        await Assert.ThrowsAsync<RegistryException>(() => Pull(client, plain));
        Assert.Empty(plain.Ledger);
    }

    [Fact]
    public async Task A_registry_listed_with_http_is_reached_without_TLS_and_by_nothing_else()
    {
        using var client = Client([Ours], $"http://{plain.Host}", $"http://{tls.Host}");

        Assert.Equal(image.Bytes, await Pull(client, plain));
        await Assert.ThrowsAsync<RegistryException>(() => Pull(client, tls));
        Assert.Empty(tls.Ledger);
    }

    [Fact]
    public async Task A_registry_listed_by_its_host_is_reached_by_TLS_or_without()
    {
        using var client = Client([], misnamed.Host, plain.Host);

        Assert.Equal(image.Bytes, await Pull(client, misnamed));
        Assert.Equal(image.Bytes, await Pull(client, plain));
        Assert.Equal(image.Bytes, await Pull(client, plain));
    }

    private static RegistryClient Client(CertificateAuthority[] authorities, params string[] insecure)
    {
        var roots = new X509Certificate2Collection();
        foreach (var authority in authorities)
            roots.ImportFromPem(authority.Pem);
        return new RegistryClient(new RegistryEndpoints(insecure), roots, TimeProvider.System,
            new RegistryNetwork { Redirects = new RedirectRules(["127.0.0.1"]) });
    }

    private static async Task<byte[]> Pull(RegistryClient client, ScriptedOrigin origin) =>
        (await client.GetManifest(new RegistryRepository(origin.Host, "team/web"), "1", null, Stop)).Bytes;
}
