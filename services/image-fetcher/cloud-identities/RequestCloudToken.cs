namespace Kuik.ImageFetcher;

/// <summary>Requests a new token from the cloud at each call.</summary>
/// <exception cref="CloudIdentityException">The cloud issued none.</exception>
public delegate Task<CloudToken> RequestCloudToken(CancellationToken ct);
