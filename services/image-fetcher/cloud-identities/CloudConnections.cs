using Kuik.Hosting;
using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>The HTTP connections to clouds.</summary>
/// <param name="Metadata">To servers on the node or in the cluster's network only: never through a proxy.</param>
/// <param name="Services">To the clouds' public services: as to registries, through the configured proxies and with the configured
/// certificate authorities.</param>
public sealed record CloudConnections(HttpMessageInvoker Metadata, HttpMessageInvoker Services) : IDisposable
{
    /// <summary>Opens the real connections.</summary>
    public static CloudConnections Open(IConfiguration configuration)
    {
        var roots = TrustedCertificates.From(configuration);
        var services = Handler();
        (services.UseProxy, services.Proxy) = (true, ProxyRules.FromEnvironment());
        services.SslOptions = TrustedCertificates.ClientOptions(roots);
        return new CloudConnections(new HttpMessageInvoker(Handler()), new HttpMessageInvoker(services));
    }

    public void Dispose()
    {
        Metadata.Dispose();
        Services.Dispose();
    }

    private static SocketsHttpHandler Handler() => new()
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        ActivityHeadersPropagator = null,
        ConnectCallback = AddressResolver.Connect,
        SslOptions = { CertificateChainPolicy = CertificateChainPolicy.WithoutDownloads() },
    };
}
