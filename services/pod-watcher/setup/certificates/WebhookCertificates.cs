using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Kuik.PodWatcher.Setup;

/// <summary>
/// Creates and checks the webhook's certificate and its authorities. Pure except for randomness; ECDSA with P-256 and SHA-256.
/// </summary>
internal static class WebhookCertificates
{
    /// <summary>The lifetime of an authority: 365 days.</summary>
    public static readonly TimeSpan AuthorityLifetime = TimeSpan.FromDays(365);

    /// <summary>The lifetime of the webhook's certificate: 90 days, and not longer than its authority.</summary>
    public static readonly TimeSpan ServingLifetime = TimeSpan.FromDays(90);

    /// <summary>How far the API server's clock may be behind.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromHours(1);

    /// <summary>A new authority, alone.</summary>
    public static CertificatePair NewAuthority(DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        // Authorities with the same name would be tried for each other's signatures.
        var name = $"CN=kuik-webhook-ca-{now.UtcDateTime:yyyyMMdd}-{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        using var certificate = request.CreateSelfSigned(now - ClockSkew, now + AuthorityLifetime);
        return new CertificatePair(Pem(certificate), key.ExportPkcs8PrivateKeyPem() + "\n");
    }

    /// <summary>A new certificate for the webhook, with a key of its own.</summary>
    /// <param name="authority">The first of its certificates signs the new one.</param>
    /// <param name="names">The DNS names of the certificate.</param>
    /// <param name="now">UTC.</param>
    public static CertificatePair NewServing(CertificatePair authority, IReadOnlyList<string> names, DateTimeOffset now)
    {
        using var issuer = X509Certificate2.CreateFromPem(authority.Certificates, authority.Key);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={names[0]}", key, HashAlgorithmName.SHA256);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
            alternatives.AddDnsName(name);
        request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));   // serverAuth
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(issuer, true, false));
        var (from, until) = (now - ClockSkew, now + ServingLifetime);
        from = from > NotBefore(issuer) ? from : NotBefore(issuer);
        until = until < NotAfter(issuer) ? until : NotAfter(issuer);
        using var signed = request.Create(issuer, from, until, RandomNumberGenerator.GetBytes(16));
        return new CertificatePair(Pem(signed), key.ExportPkcs8PrivateKeyPem() + "\n");
    }

    /// <summary>The certificates that are not expired, each once, the newest first.</summary>
    /// <param name="pems">Each with any number of certificates; text that is not PEM counts as none.</param>
    /// <param name="now">UTC.</param>
    public static string Bundle(IEnumerable<string> pems, DateTimeOffset now)
    {
        var certificates = pems.SelectMany(Read).Where(one => NotAfter(one) > now).DistinctBy(one => one.Thumbprint);
        return string.Concat(certificates.OrderByDescending(NotBefore).Select(Pem));
    }

    /// <summary>True when two thirds of its lifetime are over, or it is unusable: its key does not match, or its names differ.</summary>
    /// <param name="pair">Null is due.</param>
    /// <param name="now">UTC.</param>
    public static bool IsDue(CertificatePair? pair, DateTimeOffset now)
    {
        if (!IsUsable(pair, now))
            return true;
        using var certificate = X509Certificate2.CreateFromPem(pair!.Certificates);
        return now >= NotBefore(certificate) + ((NotAfter(certificate) - NotBefore(certificate)) * 2 / 3);
    }

    /// <summary>True when it is valid now, and the key is its own.</summary>
    public static bool IsUsable(CertificatePair? pair, DateTimeOffset now)
    {
        if (pair is null)
            return false;
        try
        {
            using var certificate = X509Certificate2.CreateFromPem(pair.Certificates, pair.Key);
            return NotBefore(certificate) <= now && now < NotAfter(certificate);
        }
        catch (Exception broken) when (broken is CryptographicException or ArgumentException)   // the latter: a key of another certificate
        {
            return false;
        }
    }

    /// <summary>True when it is valid for all of these names.</summary>
    public static bool IsFor(CertificatePair pair, IEnumerable<string> names)
    {
        using var certificate = X509Certificate2.CreateFromPem(pair.Certificates);
        return names.All(name => certificate.MatchesHostname(name, allowWildcards: false, allowCommonName: false));
    }

    /// <summary>True when the authority has signed it. Both are usable.</summary>
    public static bool IsSignedBy(CertificatePair serving, CertificatePair authority)
    {
        using var certificate = X509Certificate2.CreateFromPem(serving.Certificates);
        using var issuer = X509Certificate2.CreateFromPem(authority.Certificates);
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(issuer);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = certificate.NotBefore;
        return chain.Build(certificate);
    }

    /// <summary>The end of the first certificate, UTC.</summary>
    public static DateTimeOffset EndOf(CertificatePair pair)
    {
        using var certificate = X509Certificate2.CreateFromPem(pair.Certificates);
        return NotAfter(certificate);
    }

    private static X509Certificate2Collection Read(string pem)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(pem);
        }
        catch (CryptographicException)
        {
            return [];
        }
        return certificates;
    }

    private static DateTimeOffset NotBefore(X509Certificate2 certificate) => certificate.NotBefore.ToUniversalTime();

    private static DateTimeOffset NotAfter(X509Certificate2 certificate) => certificate.NotAfter.ToUniversalTime();

    private static string Pem(X509Certificate2 certificate) => certificate.ExportCertificatePem() + "\n";
}
