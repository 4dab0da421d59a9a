using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

internal sealed record WebhookConfiguration(ObjectMeta Metadata, IReadOnlyList<MutatingWebhook>? Webhooks = null);

internal sealed record MutatingWebhook(
    string Name, WebhookClient? ClientConfig = null, string? FailurePolicy = null, LabelSelector? NamespaceSelector = null);

/// <param name="CaBundle">PEM as base64; null or empty for none.</param>
internal sealed record WebhookClient(string? CaBundle = null);
