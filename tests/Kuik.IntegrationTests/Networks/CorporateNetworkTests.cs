using System.Net;
using Kuik.IntegrationTests.ImageFetcher;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Networks;

/// <summary>
/// node-proxy and image-fetcher as a company runs them: origins behind a proxy that wants a password, certificates of a private authority,
/// the cache registry not behind the proxy. The origin and the proxy are scripts: no real origin redirects to a metadata address, and no
/// real proxy knows our names.
/// </summary>
public sealed class CorporateNetworkTests : IAsyncLifetime
{
    private static readonly CertificateAuthority Authority = new("Corp Root");

    private readonly TestImage image = TestImage.Small(seed: 1);
    private readonly ScriptedProxy proxy = ScriptedProxy.Start("clerk", "hunter2");
    private ScriptedOrigin origin = null!;
    private Registry cache = null!;

    /// <summary>This machine, by an address that .NET's own rules would send to the proxy.</summary>
    private string CacheAddress => $"http://[::ffff:0.0.0.0]:{cache.Endpoint.Port}";

    public async ValueTask InitializeAsync()
    {
        cache = await Registry.Start();
        origin = await ScriptedOrigin.Start(Authority.Issue("CN=registry", "registry.example"));
        origin.Add("team/web", "1", image);
        origin.Script = request => request.Path.Contains("/stolen/", StringComparison.Ordinal)
            ? Misbehave.Answer(307, ("Location", "https://169.254.169.254/latest?signature=hidden"))
            : null;
        proxy.Leads("registry.example:443", origin.Host);
    }

    public async ValueTask DisposeAsync()
    {
        await proxy.DisposeAsync();
        await origin.DisposeAsync();
    }

    [Fact]
    public async Task Node_proxy_reaches_origins_through_the_proxy_and_everything_else_directly()
    {
        var service = await KuikService.Start("NodeProxy",
            new KuikServiceOptions { Settings = Settings(("Kuik:Cache:ReadEndpoint", CacheAddress)) });
        using var client = new HttpClient { BaseAddress = service.Endpoint };

        var manifest = await client.GetByteArrayAsync(new Uri("/v2/registry.example/team/web/manifests/1", UriKind.Relative));
        var stolen = await Ask(client, "/v2/registry.example/team/stolen/manifests/1");

        Assert.Equal(image.Bytes, manifest);
        AssertRefused(stolen);
        await Eventually.True(() => cache.Requests().Count > 0, "the cache registry was asked");
        AssertNothingElseWentThrough(service);
    }

    [Fact]
    public async Task Image_fetcher_reaches_origins_through_the_proxy_and_everything_else_directly()
    {
        var settings = Settings(
            ("Kuik:Cache:Endpoint", CacheAddress),
            ("KUBECONFIG", FetcherWorld.NoKubernetes()),
            ("ConnectionStrings:Postgres", $"Host=127.0.0.1;Port={FreePort.Next()};Username=kuik;Database=kuik"),
            ("ConnectionStrings:RabbitMq", $"amqp://kuik:kuik@127.0.0.1:{FreePort.Next()}/"));
        var service = await KuikService.Start("ImageFetcher", new KuikServiceOptions { Settings = settings });
        using var client = new HttpClient { BaseAddress = service.Endpoint };

        var manifest = await FetcherWorld.Pull(service, "registry.example/team/web:1", "manifests/1");
        var stolen = await Ask(client, "/v2/registry.example/team/stolen/manifests/1");

        Assert.Equal(image.Bytes, manifest);
        AssertRefused(stolen);
        await Eventually.True(() => cache.Requests()
            .Any(request => request.Method == "PUT" && request.Path.EndsWith("/manifests/1", StringComparison.Ordinal)),
            "the image is kept");
        Assert.Contains("cache: Healthy", await client.GetStringAsync(new Uri("/readyz", UriKind.Relative)), StringComparison.Ordinal);
        AssertNothingElseWentThrough(service);
    }

    /// <summary>As node-proxy asks image-fetcher: an answer may say that the work goes on.</summary>
    private static async Task<(HttpStatusCode Status, string Body)> Ask(HttpClient client, string path)
    {
        var (status, body) = (HttpStatusCode.Accepted, "");
        await Eventually.True(
            async () =>
            {
                using var answer = await client.GetAsync(new Uri(path, UriKind.Relative));
                (status, body) = (answer.StatusCode, await answer.Content.ReadAsStringAsync());
                return status != HttpStatusCode.Accepted;
            },
            $"{path} was answered");
        return (status, body);
    }

    private static void AssertRefused((HttpStatusCode Status, string Body) answer)
    {
        var (status, body) = answer;
        Assert.Equal(HttpStatusCode.BadGateway, status);
        Assert.Contains(
            "GET https://registry.example/v2/team/stolen/manifests/1: a redirect to https://169.254.169.254/latest is refused: "
                + "169.254.169.254 gives machines their credentials",
            body,
            StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", body, StringComparison.Ordinal);
    }

    private void AssertNothingElseWentThrough(KuikService service)
    {
        Assert.Equal(["CONNECT registry.example:443"], proxy.Ledger.Select(request => $"{request.Method} {request.Target}").Distinct());
        Assert.DoesNotContain("hunter2", service.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", service.Log, StringComparison.Ordinal);
    }

    private Dictionary<string, string?> Settings(params (string Key, string? Value)[] more)
    {
        var authority = Path.Combine(Sandbox.Shared.NewFolder("authority"), "ca.pem");
        File.WriteAllText(authority, Authority.Pem);
        return new(more.ToDictionary(setting => setting.Key, setting => setting.Value))
        {
            ["http_proxy"] = $"http://clerk:hunter2@{proxy.Host}",
            ["HTTPS_PROXY"] = $"http://clerk:hunter2@{proxy.Host}",
            ["https_proxy"] = null,
            ["no_proxy"] = "10.0.0.0/8",
            ["Kuik:RootCertificateAuthorities:0"] = authority,
        };
    }
}
