using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.ImageFetcher;

/// <summary>Gets one Secret from Kubernetes.</summary>
/// <exception cref="KubernetesApiException">Kubernetes refuses, or there is no such Secret (404).</exception>
public delegate Task<SecretContent> GetSecret(PullSecret secret, CancellationToken ct);
