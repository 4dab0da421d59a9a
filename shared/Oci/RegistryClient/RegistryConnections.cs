using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kuik.Hosting;
using Microsoft.Extensions.Configuration;

namespace Kuik.Oci;

/// <summary>The pooled connections to registries: no cookies, no redirects by themselves, no decompression (bytes are verified as they are stored).</summary>
public static class RegistryConnections
{
    public const string RootsKey = "Kuik:RootCertificateAuthorities";

    /// <summary>The certificates of <c>Kuik:RootCertificateAuthorities</c>, a list of PEM files.</summary>
    /// <exception cref="WrongSetting">A file cannot be read or holds no certificate.</exception>
    public static X509Certificate2Collection ReadRoots(IConfiguration configuration)
    {
        var roots = new X509Certificate2Collection();
        foreach (var file in configuration.ReadList(RootsKey))
        {
            var before = roots.Count;
            try
            {
                roots.ImportFromPemFile(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
            {
                throw new WrongSetting(RootsKey, file, $"a readable PEM file of certificates ({e.Message})");
            }
            if (roots.Count == before)
                throw new WrongSetting(RootsKey, file, "a PEM file with at least one certificate");
        }
        return roots;
    }

    /// <summary>Connections of one kind.</summary>
    /// <param name="roots">Trusted beside the system's.</param>
    /// <param name="isVerified">False: any certificate will do.</param>
    public static HttpMessageInvoker Open(X509Certificate2Collection roots, bool isVerified) => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None,
        ActivityHeadersPropagator = null,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(90),
        PooledConnectionLifetime = TimeSpan.FromMinutes(15),   // so that a change of DNS is seen
        MaxConnectionsPerServer = 64,
        Proxy = new NeverForLoopback(HttpClient.DefaultProxy),
        SslOptions = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                !isVerified || errors == SslPolicyErrors.None || (errors == SslPolicyErrors.RemoteCertificateChainErrors && IsBelow(roots, certificate, chain)),
        },
    });

    private static bool IsBelow(X509Certificate2Collection roots, X509Certificate? certificate, X509Chain? presented)
    {
        if (roots.Count == 0 || certificate is not X509Certificate2 leaf)
            return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        foreach (var element in presented?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
            chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        return chain.Build(leaf);
    }

    /// <summary>The environment's proxy (<c>http_proxy</c>, <c>https_proxy</c>, <c>no_proxy</c>), except for this machine itself.</summary>
    private sealed class NeverForLoopback(IWebProxy proxy) : IWebProxy
    {
        public ICredentials? Credentials { get => proxy.Credentials; set => proxy.Credentials = value; }

        public Uri? GetProxy(Uri destination) => IsBypassed(destination) ? null : proxy.GetProxy(destination);

        public bool IsBypassed(Uri host) => host.IsLoopback || proxy.IsBypassed(host);
    }
}
