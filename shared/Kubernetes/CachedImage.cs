using System.Text.Json.Serialization;
using Kuik.Contracts;

namespace Kuik.Kubernetes;

/// <summary>The resource <c>CachedImage</c> (deploy/kustomize/base/crds/cachedimage.yaml says what each field means). Null is "absent".</summary>
public sealed record CachedImage : IResource
{
    /// <summary>Path of all of them; an object's is this, a slash and its name.</summary>
    public const string Path = $"apis/{Names.Group}/{Names.Version}/cachedimages";

    public string ApiVersion { get; init; } = $"{Names.Group}/{Names.Version}";

    public string Kind { get; init; } = nameof(CachedImage);

    public required ObjectMeta Metadata { get; init; }

    public CachedImageSpec? Spec { get; init; }

    public CachedImageStatus? Status { get; init; }
}

/// <summary>What is wanted of an image.</summary>
public sealed record CachedImageSpec
{
    public string? SourceImage { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? ExpiresAt { get; init; }

    public bool? Retain { get; init; }
}

/// <summary>What is known of an image.</summary>
public sealed record CachedImageStatus
{
    public bool? IsCached { get; init; }

    /// <summary>One of <see cref="CachedImagePhase"/>.</summary>
    public string? Phase { get; init; }

    public CachedImageUse? UsedBy { get; init; }

    public string? Digest { get; init; }

    public string? UpstreamDigest { get; init; }

    public bool? UpToDate { get; init; }

    public bool? AvailableUpstream { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? LastSync { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? LastSeenUpstream { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? LastSuccessfulPull { get; init; }

    public long? SizeInBytes { get; init; }

    public string? MediaType { get; init; }

    public IReadOnlyList<string>? Platforms { get; init; }

    public IReadOnlyList<string>? MissingPlatforms { get; init; }

    public string? LastError { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? NextRetry { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? UnusedSince { get; init; }
}

/// <summary>Who uses an image.</summary>
/// <param name="Pods">At most 20 of them; null for none.</param>
/// <param name="Count">How many there are.</param>
public sealed record CachedImageUse(IReadOnlyList<PodName>? Pods, int Count);

/// <summary>A pod.</summary>
/// <param name="NamespacedName"><c>namespace/name</c>.</param>
public sealed record PodName(string NamespacedName);

/// <summary>The values of <see cref="CachedImageStatus.Phase"/>, as in v1.</summary>
public static class CachedImagePhase
{
    public const string Synchronizing = nameof(Synchronizing);
    public const string Pulling = nameof(Pulling);
    public const string ErrImagePull = nameof(ErrImagePull);
    public const string Ready = nameof(Ready);
    public const string Terminating = nameof(Terminating);
}
