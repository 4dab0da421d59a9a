using System.Text;
using System.Text.Json.Nodes;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher.Setup;

/// <summary>
/// Reconciles the webhook's certificate: Secret <c>kuik-webhook-ca</c> (the authority with its key, followed by earlier ones that are still
/// valid), <c>caBundle</c> of the MutatingWebhookConfiguration <c>kuik-webhook</c> (all of these), Secret <c>kuik-webhook-tls</c> (the
/// certificate that the webhook serves). A new authority is in caBundle for at least one pass before it signs the certificate. Every change
/// is bound to the version that was read, so concurrent passes are safe.
/// </summary>
internal sealed partial class WebhookCertificateReconciler(
    SecretClient secrets, KubernetesApi api, SetupOptions options, TimeProvider time, ILogger<WebhookCertificateReconciler> logger)
{
    /// <summary>The Secret of the authority.</summary>
    public const string AuthorityName = "kuik-webhook-ca";

    /// <summary>The Secret that the webhook mounts.</summary>
    public const string ServingName = "kuik-webhook-tls";

    /// <summary>The webhook configuration.</summary>
    public const string ConfigurationName = "kuik-webhook";

    private const string CertificateKey = "tls.crt";
    private const string PrivateKey = "tls.key";
    private const string BundleKey = "ca.crt";
    private const string ConfigurationPath = $"apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{ConfigurationName}";

    private static readonly Dictionary<string, string> Labels = new()
    {
        ["app.kubernetes.io/name"] = "kuik",
        ["app.kubernetes.io/component"] = "webhook",
        ["app.kubernetes.io/part-of"] = "kuik",
    };

    private static readonly SecretTemplate Authority = new(AuthorityName, "kubernetes.io/tls", Labels);
    private static readonly SecretTemplate Serving = new(ServingName, "kubernetes.io/tls", Labels);

    /// <summary>Runs one pass: creates what is missing, renews what is due.</summary>
    /// <exception cref="KubernetesApiException">The API refused.</exception>
    /// <exception cref="HttpRequestException">The API is unreachable.</exception>
    public Task<WebhookCertificateState> Reconcile(CancellationToken ct) => SecretClient.RetryOnConflict(() => ReconcileOnce(ct));

    /// <summary>The same if setup has created an authority; null if the certificate is managed outside of Kuik.</summary>
    /// <inheritdoc cref="Reconcile"/>
    public async Task<WebhookCertificateState?> Renew(CancellationToken ct) =>
        (await secrets.Read(AuthorityName, ct)).Version is null ? null : await Reconcile(ct);

    /// <summary>Writes caBundle where it differs. Does nothing without a configuration: the webhook is not installed.</summary>
    /// <inheritdoc cref="Reconcile"/>
    public async Task<Publication> Publish(string bundle, CancellationToken ct)
    {
        if (await api.TryGet(ConfigurationPath, SetupJson.Default.JsonObject, ct) is not { } configuration
            || configuration["webhooks"] is not JsonArray { Count: > 0 } webhooks)
            return Publication.NoConfiguration;
        var value = Convert.ToBase64String(Encoding.UTF8.GetBytes(bundle));
        if (webhooks.All(webhook => (string?)webhook!["clientConfig"]!["caBundle"] == value))
            return Publication.WasThere;
        foreach (var webhook in webhooks)
            webhook!["clientConfig"]!["caBundle"] = value;
        var patch = new JsonObject
        {
            ["metadata"] = new JsonObject { ["resourceVersion"] = (string?)configuration["metadata"]!["resourceVersion"] },
            ["webhooks"] = webhooks.DeepClone(),
        };
        await api.Merge($"{ConfigurationPath}?fieldManager=kuik-pod-watcher", patch, SetupJson.Default.JsonObject, ct);
        LogPublished(ConfigurationName);
        return Publication.Written;
    }

    private async Task<WebhookCertificateState> ReconcileOnce(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var stored = await secrets.Read(ServingName, ct);
        var serving = PairOf(stored);
        // 1. The authority. Its Secret may have been lost: then earlier authorities are in the Secret of the certificate.
        var authority = await EnsureAuthority(now, ct);
        // 2. The API servers trust it.
        var bundle = WebhookCertificates.Bundle([authority.Certificates, stored.Data.GetValueOrDefault(BundleKey) ?? ""], now);
        var publication = await Publish(bundle, ct);
        // 3. The certificate: at once if there is no usable one, otherwise when the API servers have had time to read caBundle.
        var isBroken = !WebhookCertificates.IsUsable(serving, now) || !WebhookCertificates.IsFor(serving!, options.WebhookNames);
        var isDue = isBroken || WebhookCertificates.IsDue(serving, now) || !WebhookCertificates.IsSignedBy(serving!, authority);
        if (isBroken || (isDue && publication != Publication.Written))
            serving = await Issue(authority, bundle, stored, now, ct);
        return new WebhookCertificateState(bundle, publication)
        {
            CertificateEnd = WebhookCertificates.EndOf(serving!),
            AuthorityEnd = WebhookCertificates.EndOf(authority),
        };
    }

    private async Task<CertificatePair> EnsureAuthority(DateTimeOffset now, CancellationToken ct)
    {
        var stored = await secrets.Read(AuthorityName, ct);
        var current = PairOf(stored);
        if (current is not null && !WebhookCertificates.IsDue(current, now))
            return current;
        var made = WebhookCertificates.NewAuthority(now);
        var pair = made with { Certificates = WebhookCertificates.Bundle([made.Certificates, current?.Certificates ?? ""], now) };
        var content = new Dictionary<string, string> { [CertificateKey] = pair.Certificates, [PrivateKey] = pair.Key };
        await secrets.Write(Authority, stored, content, ct);
        LogNewAuthority(AuthorityName, WebhookCertificates.EndOf(pair));
        return pair;
    }

    private async Task<CertificatePair> Issue(
        CertificatePair authority, string bundle, StoredSecret stored, DateTimeOffset now, CancellationToken ct)
    {
        var pair = WebhookCertificates.NewServing(authority, options.WebhookNames, now);
        var content = new Dictionary<string, string>
        {
            [CertificateKey] = pair.Certificates,
            [PrivateKey] = pair.Key,
            [BundleKey] = bundle,
        };
        await secrets.Write(Serving, stored, content, ct);
        LogIssued(ServingName, WebhookCertificates.EndOf(pair));
        return pair;
    }

    private static CertificatePair? PairOf(StoredSecret secret) =>
        secret.Data.TryGetValue(CertificateKey, out var certificate) && secret.Data.TryGetValue(PrivateKey, out var key)
            ? new CertificatePair(certificate, key)
            : null;

    [LoggerMessage(LogLevel.Information, "made a new certificate authority for the webhook in Secret {Name}, valid until {NotAfter:u}")]
    private partial void LogNewAuthority(string name, DateTimeOffset notAfter);

    [LoggerMessage(LogLevel.Information, "issued a new certificate for the webhook in Secret {Name}, valid until {NotAfter:u}")]
    private partial void LogIssued(string name, DateTimeOffset notAfter);

    [LoggerMessage(LogLevel.Information, "wrote caBundle of MutatingWebhookConfiguration {Name}")]
    private partial void LogPublished(string name);
}
