using System.Text.Json.Serialization;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>A pod of the API, or a workload, as far as this service reads them: one type, so that the same code follows all kinds.</summary>
internal sealed record Pod : IResource
{
    /// <summary>Path of all of them.</summary>
    public const string Path = "api/v1/pods";

    public required PodMeta Metadata { get; init; }

    public PodSpec? Spec { get; init; }

    public PodStatus? Status { get; init; }

    string? IResource.ResourceVersion => Metadata.ResourceVersion;

    /// <summary>Path of one of them.</summary>
    public static string PathOf(string @namespace, string name) => $"api/v1/namespaces/{@namespace}/pods/{name}";
}

/// <summary>Its metadata. Without <c>managedFields</c>, which are most of a pod's bytes.</summary>
internal sealed record PodMeta
{
    public string? Name { get; init; }

    public string? Namespace { get; init; }

    public string? Uid { get; init; }

    public string? ResourceVersion { get; init; }

    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    public IReadOnlyDictionary<string, string>? Annotations { get; init; }

    public IReadOnlyList<OwnerReference>? OwnerReferences { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? CreationTimestamp { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? DeletionTimestamp { get; init; }
}

internal sealed record OwnerReference(string? Kind, string? Name, bool? Controller);

/// <summary>What is wanted of a pod; of a workload only <c>Template</c> is there, of a CronJob only <c>JobTemplate</c>.</summary>
internal sealed record PodSpec(
    string? ServiceAccountName, IReadOnlyList<Container>? Containers, IReadOnlyList<Container>? InitContainers,
    IReadOnlyList<Container>? EphemeralContainers, IReadOnlyList<SecretName>? ImagePullSecrets, IReadOnlyList<Volume>? Volumes = null,
    string? NodeName = null, PodTemplate? Template = null, PodTemplate? JobTemplate = null);

/// <param name="Metadata">Of the pods (or Jobs) that are made of it.</param>
/// <param name="Spec">Theirs.</param>
internal sealed record PodTemplate(PodMeta? Metadata, PodSpec? Spec);

internal sealed record PodStatus(
    string? Phase, IReadOnlyList<ContainerStatus>? ContainerStatuses = null, IReadOnlyList<ContainerStatus>? InitContainerStatuses = null,
    IReadOnlyList<ContainerStatus>? EphemeralContainerStatuses = null);

/// <param name="Name">The container's.</param>
/// <param name="ImageID">For example <c>docker.io/library/nginx@sha256:…</c>; empty until the image is there.</param>
internal sealed record ContainerStatus(string Name, string? ImageID);

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

    string? IResource.ResourceVersion => Metadata.ResourceVersion;
}

/// <summary>A namespace of the API, as far as this service reads it.</summary>
internal sealed record Namespace
{
    public required ObjectMeta Metadata { get; init; }
}

/// <summary>How these types are read.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Namespace))]
[JsonSerializable(typeof(Pod))]
[JsonSerializable(typeof(ResourceList<Pod>))]
[JsonSerializable(typeof(WatchLine<Pod>))]
[JsonSerializable(typeof(ResourceList<ServiceAccount>))]
[JsonSerializable(typeof(WatchLine<ServiceAccount>))]
internal sealed partial class PodJson : JsonSerializerContext;
