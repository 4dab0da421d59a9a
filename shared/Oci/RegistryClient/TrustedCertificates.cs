using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kuik.Hosting;
using Microsoft.Extensions.Configuration;

namespace Kuik.Oci;

/// <summary>Whose certificates registries may show: those that the system trusts, and those below <c>Kuik:RootCertificateAuthorities</c>.</summary>
public static class TrustedCertificates
{
    public const string Key = "Kuik:RootCertificateAuthorities";

    private static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1");

    /// <summary>The certificates of <c>Kuik:RootCertificateAuthorities</c>, a list of PEM files.</summary>
    /// <exception cref="WrongSetting">A file cannot be read or holds no certificate.</exception>
    public static X509Certificate2Collection Read(IConfiguration configuration)
    {
        var roots = new X509Certificate2Collection();
        foreach (var file in configuration.ReadList(Key))
        {
            var before = roots.Count;
            try
            {
                roots.ImportFromPemFile(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
            {
                throw new WrongSetting(Key, file, $"a readable PEM file of certificates ({e.Message})");
            }
            if (roots.Count == before)
                throw new WrongSetting(Key, file, "a PEM file with at least one certificate");
        }
        return roots;
    }

    /// <summary>Accepts a server's certificate, or says what is wrong with it; .NET's own words are only that it was rejected.</summary>
    /// <exception cref="AuthenticationException">It is not accepted.</exception>
    public static bool Check(X509Certificate2Collection roots, X509Certificate? certificate, X509Chain? presented, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None)
            return true;
        if (certificate is not X509Certificate2 leaf)
            throw new AuthenticationException("the server shows no certificate");
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            throw new AuthenticationException($"the certificate is for another name: {NamesIn(leaf)}");
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(ServerAuthentication);
        chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        foreach (var element in presented?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
            chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        if (roots.Count > 0 && chain.Build(leaf))
            return true;
        var status = (roots.Count > 0 ? chain : presented)?.ChainStatus.Select(one => one.Status.ToString()) ?? [];
        throw new AuthenticationException($"the certificate of {leaf.Issuer} is not trusted ({string.Join(", ", status)}); {Key} names authorities to trust beside the system's");
    }

    private static string NamesIn(X509Certificate2 certificate)
    {
        var alternatives = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().ToList();
        var names = alternatives.SelectMany(a => a.EnumerateDnsNames().Concat(a.EnumerateIPAddresses().Select(address => address.ToString()))).ToList();
        return names.Count > 0 ? string.Join(", ", names) : certificate.Subject;
    }
}
