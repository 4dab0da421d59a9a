using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Kuik.Testing;

/// <summary>The address of a server in a test's own process.</summary>
public static class ListenOnLoopback
{
    /// <summary>Listens on a free port of 127.0.0.1.</summary>
    /// <param name="builder">The server's.</param>
    /// <param name="tls">The certificate for TLS; null for plain HTTP.</param>
    public static void ListenOnFreePort(this WebApplicationBuilder builder, PemPair? tls) =>
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (tls is null)
                return;
            // Offline: Kestrel by itself would download a missing issuer's certificate from the address in the certificate.
            var certificate = X509Certificate2.CreateFromPem(tls.Certificate, tls.Key);
            var options = new SslServerAuthenticationOptions
            { ServerCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true) };
            listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => ValueTask.FromResult(options) });
        }));
}
