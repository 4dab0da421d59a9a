namespace Kuik.PodWatcher.Setup;

/// <summary>The result of a pass.</summary>
/// <param name="Bundle">The intended caBundle, as PEM.</param>
/// <param name="Publication">Its state in the cluster.</param>
internal sealed record WebhookCertificateState(string Bundle, Publication Publication)
{
    /// <summary>The end of the webhook's certificate, UTC.</summary>
    public required DateTimeOffset CertificateEnd { get; init; }

    /// <summary>The end of the signing authority, UTC.</summary>
    public required DateTimeOffset AuthorityEnd { get; init; }
}
