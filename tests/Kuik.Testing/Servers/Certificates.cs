using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Kuik.Testing;

/// <summary>A certificate authority that lives as long as a test run.</summary>
public sealed class CertificateAuthority
{
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 certificate;

    /// <summary>Creates an authority.</summary>
    /// <param name="name">Its common name.</param>
    /// <param name="above">The authority that signs it; null for itself.</param>
    public CertificateAuthority(string name, CertificateAuthority? above = null)
    {
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var from = DateTimeOffset.UtcNow.AddDays(-1);
        certificate = above is null
            ? request.CreateSelfSigned(from, from.AddDays(366))
            : request.Create(above.certificate, from, above.certificate.NotAfter, RandomNumberGenerator.GetBytes(16))
                .CopyWithPrivateKey(key);
    }

    /// <summary>The address in issued certificates from which its own can be downloaded (AIA, caIssuers); null: none.</summary>
    public Uri? DownloadAddress { get; init; }

    /// <summary>Its certificate, for the trust store of clients.</summary>
    public string Pem => certificate.ExportCertificatePem();

    /// <summary>A certificate for a server or a client, signed by it.</summary>
    /// <param name="subject">A distinguished name, for example <c>CN=webhook</c>.</param>
    /// <param name="names">DNS names and IP addresses it is for.</param>
    public PemPair Issue(string subject, params string[] names)
    {
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, own, HashAlgorithmName.SHA256);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            if (IPAddress.TryParse(name, out var ip))
                alternatives.AddIpAddress(ip);
            else
                alternatives.AddDnsName(name);
        }
        if (names.Length > 0)
            request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(
            new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], false));
        if (DownloadAddress is { } address)
            request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension(null, [address.AbsoluteUri]));
        using var signed = request.Create(certificate, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(364),
            RandomNumberGenerator.GetBytes(16));
        return new PemPair(signed.ExportCertificatePem() + "\n", own.ExportPkcs8PrivateKeyPem() + "\n");
    }
}

/// <summary>A certificate and its private key, as PEM text.</summary>
/// <param name="Certificate">The certificate.</param>
/// <param name="Key">Its private key, PKCS 8.</param>
public sealed record PemPair(string Certificate, string Key)
{
    /// <summary>Writes <c>NAME.crt</c> and <c>NAME.key</c> into a folder.</summary>
    /// <returns>Their paths.</returns>
    public (string Certificate, string Key) WriteTo(string folder, string name)
    {
        var files = (Path.Combine(folder, name + ".crt"), Path.Combine(folder, name + ".key"));
        File.WriteAllText(files.Item1, Certificate);
        File.WriteAllText(files.Item2, Key);
        File.SetUnixFileMode(files.Item2, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return files;
    }
}
