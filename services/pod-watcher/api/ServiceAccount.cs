using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>The fields of a ServiceAccount that this service reads.</summary>
internal sealed record ServiceAccount : IResource
{
    /// <summary>The API path of all of them.</summary>
    public const string Path = "api/v1/serviceaccounts";

    public required ObjectMeta Metadata { get; init; }

    public IReadOnlyList<SecretName>? ImagePullSecrets { get; init; }

    string? IResource.ResourceVersion => Metadata.ResourceVersion;
}
