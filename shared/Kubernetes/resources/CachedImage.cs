using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kuik.Contracts;

namespace Kuik.Kubernetes;

/// <summary>The resource <c>CachedImage</c> (deploy/kustomize/base/crds/cachedimage.yaml says what each field means). Null is
/// "absent".</summary>
public sealed record CachedImage : IResource
{
    /// <summary>Path of all of them; an object's is this, a slash and its name.</summary>
    public const string Path = $"apis/{Names.Group}/{Names.Version}/cachedimages";

    private const string VersionOfAll = $"{Names.Group}/{Names.Version}";

    public string ApiVersion { get; init; } = VersionOfAll;

    public string Kind { get; init; } = nameof(CachedImage);

    public required ObjectMeta Metadata { get; init; }

    string? IResource.ResourceVersion => Metadata.ResourceVersion;

    public CachedImageSpec? Spec { get; init; }

    public CachedImageStatus? Status { get; init; }

    /// <summary>The managers that own fields of it, as far as Kuik asks for them; read from the metadata, never written.</summary>
    [JsonIgnore]
    public CachedImageManagers Managers { get; init; } = CachedImageManagers.Unknown;

    /// <summary>Checksum of the status that <see cref="WithoutStatus"/> has taken away; null when there was none.</summary>
    [JsonIgnore]
    public UInt128? StatusChecksum { get; init; }

    /// <summary>The same resource as it is kept in memory, ten thousand times: with a checksum instead of its status, most of
    /// which is names of pods, and with no annotation and label but those that Kuik reads.</summary>
    public CachedImage WithoutStatus() => this with
    {
        ApiVersion = VersionOfAll,
        Kind = nameof(CachedImage),
        Metadata = Metadata with
        {
            Annotations = IsRefreshRequested ? new Dictionary<string, string>(1) { [Names.ForceUpdateAnnotation] = "true" } : null,
            Labels = Metadata.Labels?.GetValueOrDefault(Names.RepositoryLabel) is { } repository
                ? new Dictionary<string, string>(1) { [Names.RepositoryLabel] = repository }
                : null,
        },
        Status = null,
        StatusChecksum = Status is null ? null : Checksum(Status),
    };

    /// <summary>A person has set the annotation that asks for a comparison with the origin.</summary>
    [JsonIgnore]
    public bool IsRefreshRequested => Metadata.Annotations?.GetValueOrDefault(Names.ForceUpdateAnnotation) == "true";

    /// <summary>Does it have this status? Lists are compared by what is in them, times by the second.</summary>
    public bool HasStatus(CachedImageStatus status) =>
        (StatusChecksum ?? (Status is null ? null : Checksum(Status))) is { } checksum && checksum == Checksum(status);

    // Of the JSON: lists make the equality of records useless, and times lose their fractions on the way. Half of a SHA-256 will do: two
    // statuses with the same one would only leave a resource as it is until its next change.
    private static UInt128 Checksum(CachedImageStatus status) => BinaryPrimitives.ReadUInt128BigEndian(
        SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(status, KubernetesJson.Default.CachedImageStatus)));

    /// <summary>The same resource with <see cref="Managers"/> read, and without the tree that they were read from.</summary>
    public CachedImage WithManagers() => this with
    {
        Metadata = Metadata with { ManagedFields = null },
        Managers = CachedImageManagers.From(Metadata.ManagedFields ?? []),
    };
}

/// <summary>Field managers of a CachedImage. All names that begin with <c>kuik</c> are Kuik's own.</summary>
/// <param name="IsTakenUp">Kuik owns something of its metadata or spec: it made the resource, or has taken up what a person asked for with
/// it.</param>
/// <param name="SourceImage">The manager other than Kuik that owns <c>spec.sourceImage</c>; null for none.</param>
/// <param name="Retain">The same of <c>spec.retain</c>.</param>
/// <param name="ExpiresAt">The same of <c>spec.expiresAt</c>.</param>
/// <param name="ForceUpdate">The same of the annotation that asks for a comparison with the origin.</param>
public sealed record CachedImageManagers(bool IsTakenUp, string? SourceImage, string? Retain, string? ExpiresAt, string? ForceUpdate = null)
{
    private const string Ours = "kuik";

    /// <summary>None is known.</summary>
    public static readonly CachedImageManagers Unknown = new(false, null, null, null);

    internal static CachedImageManagers From(IReadOnlyList<ManagedFields> fields)
    {
        return new CachedImageManagers(
            fields.Any(entry => IsOurs(entry) && (entry.Owns("spec") || entry.Owns("metadata"))), Other("spec", "sourceImage"), Other("spec", "retain"), Other("spec", "expiresAt"),
            Other("metadata", "annotations", Names.ForceUpdateAnnotation));

        string? Other(params string[] path) => fields.FirstOrDefault(entry => !IsOurs(entry) && entry.Owns(path))?.Manager;
    }

    private static bool IsOurs(ManagedFields entry) => entry.Manager?.StartsWith(Ours, StringComparison.Ordinal) == true;
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

    /// <summary><see cref="SizeInBytes"/> for people: <c>56.3MiB</c>.</summary>
    public string? Size { get; init; }

    /// <summary>The first 12 hex digits of <see cref="Digest"/>.</summary>
    public string? ShortDigest { get; init; }

    public string? MediaType { get; init; }

    public IReadOnlyList<string>? Platforms { get; init; }

    public IReadOnlyList<string>? MissingPlatforms { get; init; }

    public string? LastError { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? NextRetry { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? UnusedSince { get; init; }

    /// <summary><c>Ready</c>, <c>Cached</c>, <c>UpToDate</c> and <c>InUse</c>, in this order.</summary>
    public IReadOnlyList<ResourceCondition>? Conditions { get; init; }
}

/// <summary>Who uses an image.</summary>
/// <param name="Pods">At most 50 of them; null for none.</param>
/// <param name="Count">How many there are.</param>
public sealed record CachedImageUse(IReadOnlyList<PodName>? Pods, int Count)
{
    /// <summary>The first of the workloads whose pod template names it; null for none.</summary>
    public IReadOnlyList<WorkloadName>? Workloads { get; init; }

    /// <summary>How many workloads there are; null for none.</summary>
    public int? WorkloadCount { get; init; }
}

/// <summary>A workload.</summary>
/// <param name="Kind">For example <c>Deployment</c>.</param>
/// <param name="NamespacedName"><c>namespace/name</c>.</param>
public sealed record WorkloadName(string Kind, string NamespacedName);

/// <summary>A pod.</summary>
/// <param name="NamespacedName"><c>namespace/name</c>.</param>
public sealed record PodName(string NamespacedName);

/// <summary>The values of <see cref="CachedImageStatus.Phase"/>: v1's, and <see cref="Invalid"/>.</summary>
public static class CachedImagePhase
{
    public const string Synchronizing = nameof(Synchronizing);
    public const string Pulling = nameof(Pulling);
    public const string ErrImagePull = nameof(ErrImagePull);
    public const string Ready = nameof(Ready);
    public const string Terminating = nameof(Terminating);

    /// <summary><c>spec.sourceImage</c> is no image reference.</summary>
    public const string Invalid = nameof(Invalid);
}
