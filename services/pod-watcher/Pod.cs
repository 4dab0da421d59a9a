using System.Text.Json.Serialization;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>A pod of the API, as far as this service reads it.</summary>
internal sealed record Pod : IResource
{
    /// <summary>Path of all of them.</summary>
    public const string Path = "api/v1/pods";

    public required ObjectMeta Metadata { get; init; }

    public PodSpec? Spec { get; init; }
}

internal sealed record PodSpec(
    string? ServiceAccountName, IReadOnlyList<Container>? Containers, IReadOnlyList<Container>? InitContainers,
    IReadOnlyList<Container>? EphemeralContainers, IReadOnlyList<SecretName>? ImagePullSecrets, IReadOnlyList<Volume>? Volumes = null);

internal sealed record Container(string Name, string? Image);

internal sealed record Volume(string? Name, ImageVolumeSource? Image);

internal sealed record ImageVolumeSource(string? Reference);

internal sealed record SecretName(string? Name);

/// <summary>A service account of the API, as far as this service reads it.</summary>
internal sealed record ServiceAccount : IResource
{
    /// <summary>Path of all of them.</summary>
    public const string Path = "api/v1/serviceaccounts";

    public required ObjectMeta Metadata { get; init; }

    public IReadOnlyList<SecretName>? ImagePullSecrets { get; init; }
}

/// <summary>A namespace of the API, as far as this service reads it.</summary>
internal sealed record Namespace
{
    public required ObjectMeta Metadata { get; init; }
}

/// <summary>How these types are read.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Namespace))]
[JsonSerializable(typeof(ResourceList<Pod>))]
[JsonSerializable(typeof(WatchLine<Pod>))]
[JsonSerializable(typeof(ResourceList<ServiceAccount>))]
[JsonSerializable(typeof(WatchLine<ServiceAccount>))]
internal sealed partial class PodJson : JsonSerializerContext;
