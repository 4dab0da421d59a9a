using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using Kuik.NodeProxy;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>
/// A registry that does not send the intermediate certificate, which .NET would download from the address in the certificate: up to 15
/// seconds on a thread that serves sockets.
/// </summary>
public sealed class IncompleteChainTests : IAsyncLifetime, IDisposable
{
    /// <summary>Below the 15 seconds of a download that is not answered, and far above a handshake on a busy machine.</summary>
    private static readonly TimeSpan NoDownload = TimeSpan.FromSeconds(12);

    private readonly CertificateDownloads downloads = new();
    private readonly CertificateAuthority root = new("Corp Root");
    private readonly TestImage image = TestImage.Small(seed: 1);
    private CertificateAuthority intermediate = null!;
    private ScriptedOrigin origin = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        intermediate = new CertificateAuthority("Corp Intermediate", root) { DownloadAddress = downloads.Address };
        origin = await ScriptedOrigin.Start(intermediate.Issue("CN=registry", "127.0.0.1"));
        origin.Add("team/web", "1", image);
    }

    public ValueTask DisposeAsync() => origin.DisposeAsync();

    public void Dispose() => downloads.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_registry_that_does_not_send_its_intermediate_is_refused_with_the_missing_issuer_and_without_a_download(
        bool isRootNamed)
    {
        using var client = Client(isRootNamed ? [root] : []);
        var begun = Stopwatch.GetTimestamp();

        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client));

        Assert.InRange(Stopwatch.GetElapsedTime(begun), TimeSpan.Zero, NoDownload);
        const string missing = "the chain is incomplete, the certificate of its issuer CN=Corp Intermediate is missing";
        Assert.Contains(missing, error.Message, StringComparison.Ordinal);
        Assert.Contains("the server must send it", error.Message, StringComparison.Ordinal);
        Assert.Contains(TrustedCertificates.Key, error.Message, StringComparison.Ordinal);
        Assert.Equal(0, downloads.Count);
    }

    [Fact]
    public async Task An_intermediate_that_is_named_with_its_root_completes_the_chain_without_a_download()
    {
        using var client = Client([root, intermediate]);

        Assert.Equal(image.Bytes, await Pull(client));
        Assert.Equal(0, downloads.Count);
    }

    [Fact]
    public async Task An_intermediate_that_is_named_without_its_root_is_not_enough()
    {
        using var client = Client([intermediate]);

        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client));

        Assert.Contains("the certificate of its issuer CN=Corp Root is missing", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_registry_whose_certificate_is_not_verified_has_nothing_downloaded_either()
    {
        using var client = new RegistryClient(new RegistryEndpoints([$"https://{origin.Host}"]), [], TimeProvider.System);

        Assert.Equal(image.Bytes, await Pull(client));
        Assert.Equal(0, downloads.Count);
    }

    [Fact]
    public async Task The_cache_and_image_fetcher_are_held_to_the_same()
    {
        using var client = SourceEndpoint.MakeClient(TimeSpan.FromSeconds(30), Roots([root]));
        using var request = new HttpRequestMessage(HttpMethod.Get, $"https://{origin.Host}/v2/");

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => client.SendAsync(request, Stop));

        Assert.Contains("CN=Corp Intermediate is missing", error.InnerException!.Message, StringComparison.Ordinal);
        Assert.Equal(0, downloads.Count);
    }

    private static RegistryClient Client(CertificateAuthority[] named) => new(
        new RegistryEndpoints([]), Roots(named), TimeProvider.System, new RegistryNetwork { Redirects = new RedirectRules(["127.0.0.1"]) });

    private static X509Certificate2Collection Roots(CertificateAuthority[] named)
    {
        var roots = new X509Certificate2Collection();
        foreach (var authority in named)
            roots.ImportFromPem(authority.Pem);
        return roots;
    }

    private async Task<byte[]> Pull(RegistryClient client) =>
        (await client.GetManifest(new RegistryRepository(origin.Host, "team/web"), "1", null, Stop)).Bytes;
}
