namespace Kuik.Contracts;

// Stream repository/{name}: the wishes of people for all images of a repository.

/// <summary>A person changed the spec of a Repository, or deleted it, which withdraws everything in it. Recorded whole. Written by
/// pod-watcher.</summary>
/// <param name="Repository">With its host: <c>docker.io/library/nginx</c>.</param>
/// <param name="PullSecretNames"><c>spec.pullSecretNames</c>; empty for none.</param>
/// <param name="PullSecretsNamespace"><c>spec.pullSecretsNamespace</c>; null for none.</param>
/// <param name="UpdateInterval"><c>spec.updateInterval</c>: how often its images are compared with their origin; null for never.</param>
/// <param name="UpdateFilters"><c>spec.updateFilters</c>: regular expressions, of which an image has to match one; empty for all.</param>
/// <param name="ConfiguredAt">UTC.</param>
public sealed record RepositoryConfigured(
    string Repository, IReadOnlyList<string> PullSecretNames, string? PullSecretsNamespace, TimeSpan? UpdateInterval,
    IReadOnlyList<string> UpdateFilters, DateTimeOffset ConfiguredAt);
