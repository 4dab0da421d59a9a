using System.Diagnostics.Metrics;

namespace Kuik.PodWatcher.Setup;

/// <summary>The expiry of the webhook's certificate and of its authority, as metrics of the leader. A singleton.</summary>
internal sealed class WebhookCertificateMetrics
{
    /// <summary>The gauge, in seconds since 1970 (UTC), with the label <c>certificate</c>: <c>webhook</c> or <c>ca</c>.</summary>
    public const string Expiry = "kuik_webhook_certificate_expiry_timestamp_seconds";

    private volatile WebhookCertificateState? _state;

    /// <summary>Creates the gauge on pod-watcher's meter.</summary>
    public WebhookCertificateMetrics(IMeterFactory meters) => meters.Create("Kuik.PodWatcher").CreateObservableGauge(
        Expiry, Measure,
        description: "When the webhook's certificate and its authority (ca) end, in seconds since 1970; absent on a replica that does not "
            + "lead");

    /// <summary>Sets the current certificates.</summary>
    /// <param name="state">Null: this replica does not lead, or Kuik does not manage them. Then nothing is reported.</param>
    public void Show(WebhookCertificateState? state) => _state = state;

    private IEnumerable<Measurement<long>> Measure() => _state is { } state
        ? [Of("webhook", state.CertificateEnd), Of("ca", state.AuthorityEnd)]
        : [];

    private static Measurement<long> Of(string certificate, DateTimeOffset end) =>
        new(end.ToUnixTimeSeconds(), KeyValuePair.Create<string, object?>("certificate", certificate));
}
