using System.Security.Cryptography.X509Certificates;

namespace Kuik.Hosting;

/// <summary>
/// The certificate chain policy of every TLS client of Kuik. By default .NET on Linux downloads a missing intermediate certificate from the
/// address in the certificate (AIA), synchronously, for up to 15 seconds, on the thread that completes the handshake: the server's
/// certificate decides how long the node is blocked. Go's clients (containerd, kubelet) do not download either.
/// </summary>
public static class CertificateChainPolicy
{
    /// <summary>A new policy: the system's authorities, no downloads, no revocation lists.</summary>
    public static X509ChainPolicy WithoutDownloads() =>
        new() { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck };
}
