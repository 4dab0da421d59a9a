using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher.Setup;

/// <summary>
/// Keeps the webhook's certificate: Secret <c>kuik-webhook-ca</c> (the authority with its key, followed by earlier ones that have not
/// ended), <c>caBundle</c> of the
/// MutatingWebhookConfiguration <c>kuik-webhook</c> (all of these), Secret <c>kuik-webhook-tls</c> (what the webhook serves). A new
/// authority is in caBundle for at least
/// one pass before the certificate is signed by it. Every change is bound to the version that was read, so several at once are safe.
/// </summary>
internal sealed partial class WebhookCertificateReconciler(
    KubernetesApi api, SetupOptions options, TimeProvider time, ILogger<WebhookCertificateReconciler> logger)
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
    private const int MaxAttempts = 10;

    private string SecretPath => $"api/v1/namespaces/{options.Namespace}/secrets";

    /// <summary>One pass: creates what is missing, renews what is due.</summary>
    /// <returns>What caBundle is to be, and whether it is; see <see cref="Publication"/>.</returns>
    /// <exception cref="KubernetesRefused">The API said no.</exception>
    /// <exception cref="HttpRequestException">The API cannot be reached.</exception>
    public async Task<(string Bundle, Publication Publication)> Reconcile(CancellationToken ct)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await ReconcileOnce(ct);
            }
            catch (KubernetesRefused refusal) when (refusal.Status == HttpStatusCode.Conflict && attempt < MaxAttempts)
            {
                // Another replica was quicker: what it wrote is read.
            }
        }
    }

    /// <summary>The same where setup has made an authority; null where the certificate is managed outside of Kuik.</summary>
    /// <inheritdoc cref="Reconcile"/>
    public async Task<string?> Renew(CancellationToken ct) =>
        await api.TryGet($"{SecretPath}/{AuthorityName}", SetupJson.Default.Secret, ct) is null ? null : (await Reconcile(ct)).Bundle;

    /// <summary>Writes caBundle where it differs. Nothing while there is no configuration: the webhook is not installed, or not any
    /// more.</summary>
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

    private async Task<(string Bundle, Publication Publication)> ReconcileOnce(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var serving = await Read(ServingName, ct);
        // 1. The authority. Its Secret may have been lost: then those that signed before are in the one of the certificate.
        var authority = await EnsureAuthority(now, ct);
        // 2. The API servers trust it.
        var bundle = WebhookCertificates.Bundle([authority.Certificates, serving.Bundle], now);
        var publication = await Publish(bundle, ct);
        // 3. The certificate: at once where there is none that works, else when the API servers have had time to read caBundle.
        var isBroken = !WebhookCertificates.IsUsable(serving.Pair, now) || !WebhookCertificates.IsFor(serving.Pair!, options.WebhookNames);
        var isDue = isBroken || WebhookCertificates.IsDue(serving.Pair, now) || !WebhookCertificates.IsSignedBy(serving.Pair!, authority);
        if (isBroken || (isDue && publication != Publication.Written))
            await Issue(authority, bundle, serving, now, ct);
        return (bundle, publication);
    }

    private async Task<CertificatePair> EnsureAuthority(DateTimeOffset now, CancellationToken ct)
    {
        var stored = await Read(AuthorityName, ct);
        if (stored.Pair is { } current && !WebhookCertificates.IsDue(current, now))
            return current;
        var made = WebhookCertificates.NewAuthority(now);
        var pair = made with { Certificates = WebhookCertificates.Bundle([made.Certificates, stored.Pair?.Certificates ?? ""], now) };
        await Write(AuthorityName, stored.Version, new() { [CertificateKey] = pair.Certificates, [PrivateKey] = pair.Key }, ct);
        LogNewAuthority(AuthorityName, WebhookCertificates.EndOf(pair));
        return pair;
    }

    private async Task Issue(CertificatePair authority, string bundle, Stored serving, DateTimeOffset now, CancellationToken ct)
    {
        var pair = WebhookCertificates.NewServing(authority, options.WebhookNames, now);
        var content = new Dictionary<string, string>
        {
            [CertificateKey] = pair.Certificates,
            [PrivateKey] = pair.Key,
            [BundleKey] = bundle,
        };
        await Write(ServingName, serving.Version, content, ct);
        LogIssued(ServingName, WebhookCertificates.EndOf(pair));
    }

    private async Task<Stored> Read(string name, CancellationToken ct)
    {
        if (await api.TryGet($"{SecretPath}/{name}", SetupJson.Default.Secret, ct) is not { } secret)
            return new Stored(null, null, "");
        var (certificate, key) = (Text(secret, CertificateKey), Text(secret, PrivateKey));
        var pair = certificate is null || key is null ? null : new CertificatePair(certificate, key);
        return new Stored(secret.Metadata.ResourceVersion, pair, Text(secret, BundleKey) ?? "");
    }

    private static string? Text(Secret secret, string key) =>
        secret.Data?.GetValueOrDefault(key) is { } value ? Encoding.UTF8.GetString(Convert.FromBase64String(value)) : null;

    /// <summary>Creates a Secret, or replaces these keys of the version that was read.</summary>
    private async Task Write(string name, string? version, Dictionary<string, string> content, CancellationToken ct)
    {
        var data = content.ToDictionary(one => one.Key, one => Convert.ToBase64String(Encoding.UTF8.GetBytes(one.Value)));
        if (version is null)
        {
            var labels = new Dictionary<string, string>
            {
                ["app.kubernetes.io/name"] = "kuik",
                ["app.kubernetes.io/component"] = "webhook",
                ["app.kubernetes.io/part-of"] = "kuik",
            };
            var meta = new ObjectMeta { Name = name, Namespace = options.Namespace, Labels = labels };
            await api.Create(SecretPath, new Secret("v1", "Secret", meta, "kubernetes.io/tls", data), SetupJson.Default.Secret, ct);
            return;
        }
        var patch = new Secret(null, null, new ObjectMeta { ResourceVersion = version }, null, data);
        await api.Merge($"{SecretPath}/{name}", patch, SetupJson.Default.Secret, ct);
    }

    [LoggerMessage(LogLevel.Information, "made a new certificate authority for the webhook in Secret {Name}, valid until {NotAfter:u}")]
    private partial void LogNewAuthority(string name, DateTimeOffset notAfter);

    [LoggerMessage(LogLevel.Information, "issued a new certificate for the webhook in Secret {Name}, valid until {NotAfter:u}")]
    private partial void LogIssued(string name, DateTimeOffset notAfter);

    [LoggerMessage(LogLevel.Information, "wrote caBundle of MutatingWebhookConfiguration {Name}")]
    private partial void LogPublished(string name);

    /// <param name="Version">Null: there is no such Secret.</param>
    /// <param name="Pair">Null: it has none.</param>
    /// <param name="Bundle">The authorities when it was written; empty for none.</param>
    private sealed record Stored(string? Version, CertificatePair? Pair, string Bundle);
}

/// <summary>What was found of caBundle.</summary>
internal enum Publication
{
    /// <summary>It was right before.</summary>
    WasThere,

    /// <summary>It is right now.</summary>
    Written,

    /// <summary>There is no webhook configuration.</summary>
    NoConfiguration,
}
