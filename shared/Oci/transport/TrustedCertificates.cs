using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kuik.Hosting;
using Microsoft.Extensions.Configuration;

namespace Kuik.Oci;

/// <summary>The certificate authorities of registries: those that the system trusts, and those below
/// <c>Kuik:RootCertificateAuthorities</c>.</summary>
public static class TrustedCertificates
{
    public const string Key = "Kuik:RootCertificateAuthorities";

    private static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1");

    /// <summary>The certificates of <c>Kuik:RootCertificateAuthorities</c>, a list of PEM files.</summary>
    /// <exception cref="InvalidSettingException">A file cannot be read or holds no certificate.</exception>
    public static X509Certificate2Collection From(IConfiguration configuration)
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
                throw new InvalidSettingException(Key, file, $"a readable PEM file of certificates ({e.Message})");
            }
            if (roots.Count == before)
                throw new InvalidSettingException(Key, file, "a PEM file with at least one certificate");
        }
        return roots;
    }

    /// <summary>
    /// The TLS options of a client: certificates below the system's authorities or <paramref name="roots"/> are accepted. Intermediate
    /// certificates come from the server or from <paramref name="roots"/>, never from a download (docs/decisions/0009-nothing-blocks.md).
    /// </summary>
    /// <param name="roots">As <see cref="From"/> returns them.</param>
    /// <param name="isVerified">False: any certificate is accepted.</param>
    public static SslClientAuthenticationOptions ClientOptions(X509Certificate2Collection roots, bool isVerified = true)
    {
        var policy = CertificateChainPolicy.WithoutDownloads();
        policy.ExtraStore.AddRange(roots);
        return new SslClientAuthenticationOptions
        {
            CertificateChainPolicy = policy,
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                !isVerified || Check(roots, certificate, chain, errors),
        };
    }

    /// <summary>Accepts a server's certificate, or names the problem; .NET's own message only says that it was rejected.</summary>
    /// <exception cref="AuthenticationException">It is not accepted.</exception>
    private static bool Check(X509Certificate2Collection roots, X509Certificate? certificate, X509Chain? presented, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None)
            return true;
        if (certificate is not X509Certificate2 leaf)
            throw new AuthenticationException("the server shows no certificate");
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            throw new AuthenticationException($"the certificate is for another name: {NamesIn(leaf)}");
        using var chain = new X509Chain { ChainPolicy = CertificateChainPolicy.WithoutDownloads() };
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.ApplicationPolicy.Add(ServerAuthentication);
        chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        chain.ChainPolicy.ExtraStore.AddRange(presented?.ChainPolicy.ExtraStore ?? []);
        if (roots.Count > 0 && chain.Build(leaf))
            return true;
        throw new AuthenticationException($"the certificate of {leaf.Issuer} is not trusted {Reason(roots.Count > 0 ? chain : presented)}");
    }

    private static string Reason(X509Chain? chain)
    {
        var status = chain?.ChainStatus.Select(one => one.Status).ToList() ?? [];
        var remedy = status.Contains(X509ChainStatusFlags.PartialChain) && chain?.ChainElements is [.., { Certificate: var last }]
            ? $"the chain is incomplete, the certificate of its issuer {last.Issuer} is missing: the server must send it if it is an " +
              $"intermediate one, or {Key} must name it, and its root unless the system has that"
            : $"{Key} names authorities to trust beside the system's";
        return $"({string.Join(", ", status)}); {remedy}";
    }

    private static string NamesIn(X509Certificate2 certificate)
    {
        var alternatives = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().ToList();
        var names = alternatives.SelectMany(a => a.EnumerateDnsNames()
            .Concat(a.EnumerateIPAddresses().Select(address => address.ToString()))).ToList();
        return names.Count > 0 ? string.Join(", ", names) : certificate.Subject;
    }
}
