using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>Checks that the API server trusts the webhook's certificate, and will for a while.</summary>
internal sealed class CertificateCheck : Check
{
    // Kuik renews when a third is left, cert-manager too: with less than a quarter left, renewal has failed for days.
    private const int EndingShare = 4;

    /// <inheritdoc/>
    public override string Name => "webhook-certificate";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Webhook, cluster.Certificate, cluster.Settings];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        if (cluster.Certificate.Value is not { } text)
            return [Error("the Secret kuik-webhook-tls is not there, so the webhook cannot start", RenewalOf(cluster))];
        var certificates = Read(text);
        if (certificates.Count == 0)
            return [Error("the Secret kuik-webhook-tls holds no certificate that can be read",
                $"Delete that Secret, so that it is made again. {RenewalOf(cluster)}")];
        var findings = OfTime(certificates[0], "the webhook's certificate", cluster).ToList();
        var name = $"kuik-webhook.{cluster.Namespace}.svc";
        if (!certificates[0].MatchesHostname(name, allowWildcards: true, allowCommonName: false))
            findings.Add(Error($"the webhook's certificate is not for {name}",
                $"Delete the Secret kuik-webhook-tls, so that it is made again. {RenewalOf(cluster)}"));
        if (cluster.Webhook.Value?.Webhooks is { Count: > 0 } hooks)
            findings.AddRange(OfTrust(certificates, hooks, cluster));
        return findings;
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) =>
        $"valid until {Day(Read(cluster.Certificate.Value!)[0].NotAfter)}"
            + (cluster.Webhook.Value is null ? "" : ", and the API server trusts it");

    private IEnumerable<Finding> OfTrust(
        X509Certificate2Collection certificates, IReadOnlyList<MutatingWebhook> hooks, ClusterSnapshot cluster)
    {
        foreach (var hook in hooks)
        {
            var authorities = Read(Decode(hook.ClientConfig?.CaBundle ?? ""));
            if (authorities.Count == 0)
                yield return Error($"caBundle of webhook {hook.Name} is empty, so the API server trusts no certificate",
                    RenewalOf(cluster));
            else if (SignerOf(certificates, authorities) is not { } authority)
                yield return Error($"caBundle of webhook {hook.Name} does not hold the authority of the webhook's certificate",
                    RenewalOf(cluster));
            else
                foreach (var finding in OfTime(authority, "the authority of the webhook's certificate", cluster))
                    yield return finding;
        }
    }

    private IEnumerable<Finding> OfTime(X509Certificate2 certificate, string what, ClusterSnapshot cluster)
    {
        var (begin, end) = (certificate.NotBefore.ToUniversalTime(), certificate.NotAfter.ToUniversalTime());
        if (cluster.Time.UtcDateTime >= end)
            yield return Error($"{what} ended on {Day(end)}", RenewalOf(cluster));
        else if (cluster.Time.UtcDateTime < begin)
            yield return Error($"{what} begins on {Day(begin)}", "Set the clocks of nodes and control plane right.");
        else if (end - cluster.Time.UtcDateTime < (end - begin) / EndingShare)
            yield return Warning($"{what} ends on {Day(end)} and was not renewed", RenewalOf(cluster));
    }

    // Validity is checked separately: an expired certificate is still issued by its authority.
    private static X509Certificate2? SignerOf(X509Certificate2Collection certificates, X509Certificate2Collection authorities)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.ExtraStore.AddRange(certificates);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.IgnoreNotTimeValid;
        return chain.Build(certificates[0]) && chain.ChainElements.Count > 0
            ? authorities.FirstOrDefault(one => one.Thumbprint == chain.ChainElements[^1].Certificate.Thumbprint)
            : null;
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

    private static string Decode(string base64)
    {
        var bytes = new byte[base64.Length];
        return Convert.TryFromBase64String(base64, bytes, out var length) ? Encoding.UTF8.GetString(bytes, 0, length) : "";
    }

    private static string RenewalOf(ClusterSnapshot cluster) =>
        cluster.HasComponent("cert-manager") || cluster.Settings.Value.GetValueOrDefault("Kuik__Setup__Certificate") == "external"
            ? "It comes from outside of Kuik: look at the Certificate kuik-webhook and at cert-manager's cainjector."
            : $"pod-watcher makes and renews it; its log says what keeps it: kubectl -n {cluster.Namespace} logs "
                + "deployment/kuik-pod-watcher --all-containers.";

    private static string Day(DateTime time) => time.ToUniversalTime().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
