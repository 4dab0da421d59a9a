using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Kuik.Expiry.Audit;

/// <summary>A certificate of this process alone. It keeps tokens from being read on the way from the API server, whose proxy verifies no
/// certificate; it proves nothing.</summary>
internal static class OwnCertificate
{
    /// <summary>A new key and its certificate, in memory only.</summary>
    /// <param name="now">UTC.</param>
    public static X509Certificate2 Create(DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=kuik-audit", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("kuik-audit");
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        return request.CreateSelfSigned(now.AddDays(-1), now.AddYears(10));
    }
}
