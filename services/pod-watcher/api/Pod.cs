using System.Text.Json.Serialization;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>The fields of a pod or workload that this service reads: one type, so that the same code handles all kinds.</summary>
internal sealed record Pod : IResource
{
    /// <summary>The API path of all pods.</summary>
    public const string Path = "api/v1/pods";

    public required PodMeta Metadata { get; init; }

    public PodSpec? Spec { get; init; }

    public PodStatus? Status { get; init; }

    string? IResource.ResourceVersion => Metadata.ResourceVersion;

    /// <summary>The API path of one pod.</summary>
    public static string PathOf(string @namespace, string name) => $"api/v1/namespaces/{@namespace}/pods/{name}";
}

/// <summary>The metadata of a pod or workload, without <c>managedFields</c>, which are most of a pod's bytes.</summary>
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

/// <summary>The spec of a pod; a workload has only <c>Template</c>, a CronJob only <c>JobTemplate</c>.</summary>
internal sealed record PodSpec(
    string? ServiceAccountName, IReadOnlyList<Container>? Containers, IReadOnlyList<Container>? InitContainers,
    IReadOnlyList<Container>? EphemeralContainers, IReadOnlyList<SecretName>? ImagePullSecrets, IReadOnlyList<Volume>? Volumes = null,
    string? NodeName = null, PodTemplate? Template = null, PodTemplate? JobTemplate = null);

/// <param name="Metadata">That of the pods (or Jobs) that are created from it.</param>
/// <param name="Spec">Their spec.</param>
internal sealed record PodTemplate(PodMeta? Metadata, PodSpec? Spec);

internal sealed record PodStatus(
    string? Phase, IReadOnlyList<ContainerStatus>? ContainerStatuses = null, IReadOnlyList<ContainerStatus>? InitContainerStatuses = null,
    IReadOnlyList<ContainerStatus>? EphemeralContainerStatuses = null);

/// <param name="Name">The name of the container.</param>
/// <param name="ImageID">For example <c>docker.io/library/nginx@sha256:…</c>; empty until the image is pulled.</param>
internal sealed record ContainerStatus(string Name, string? ImageID);

internal sealed record Container(string Name, string? Image);

internal sealed record Volume(string? Name, ImageVolumeSource? Image);

internal sealed record ImageVolumeSource(string? Reference);

internal sealed record SecretName(string? Name);
