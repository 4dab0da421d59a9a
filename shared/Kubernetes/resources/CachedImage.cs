using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kuik.Contracts;

namespace Kuik.Kubernetes;

/// <summary>The resource <c>CachedImage</c> (its fields are described in deploy/kustomize/base/crds/cachedimage.yaml). Null is
/// "absent".</summary>
public sealed record CachedImage : IResource
{
    /// <summary>The API path of all of them; an object's path is this, a slash and its name.</summary>
    public const string Path = $"apis/{Names.Group}/{Names.Version}/cachedimages";

    private const string VersionOfAll = $"{Names.Group}/{Names.Version}";

    public string ApiVersion { get; init; } = VersionOfAll;

    public string Kind { get; init; } = nameof(CachedImage);

    public required ObjectMeta Metadata { get; init; }

    string? IResource.ResourceVersion => Metadata.ResourceVersion;

    public CachedImageSpec? Spec { get; init; }

    public CachedImageStatus? Status { get; init; }

    /// <summary>The owners of the fields whose owner matters to Kuik; read from the metadata, never written.</summary>
    [JsonIgnore]
    public CachedImageManagers Managers { get; init; } = CachedImageManagers.Unknown;

    /// <summary>Checksum of the status that <see cref="ToKeep"/> has removed; null when there was none.</summary>
    [JsonIgnore]
    public UInt128? StatusChecksum { get; init; }

    /// <summary>The same resource in the form that is kept in memory for thousands of images: with a checksum instead of the status, most
    /// of which is names of pods, and with only the annotation and the label that Kuik reads.</summary>
    /// <param name="share">Returns the one instance of a text that several resources, or others, have.</param>
    public CachedImage ToKeep(Func<string, string> share) => this with
    {
        ApiVersion = VersionOfAll,
        Kind = nameof(CachedImage),
        Metadata = Metadata with
        {
            Name = Metadata.Name is null ? null : share(Metadata.Name),
            Uid = Metadata.Uid is null ? null : share(Metadata.Uid),   // also that of the recorded intent
            Annotations = IsRefreshRequested ? new Dictionary<string, string>(1) { [Names.ForceUpdateAnnotation] = "true" } : null,
            Labels = Metadata.Labels?.GetValueOrDefault(Names.RepositoryLabel) is { } repository
                ? new Dictionary<string, string>(1) { [Names.RepositoryLabel] = share(repository) }
                : null,
        },
        Spec = Spec?.SourceImage is null ? Spec : Spec with { SourceImage = share(Spec.SourceImage) },
        Status = null,
        StatusChecksum = Status is null ? null : Checksum(Status),
    };

    /// <summary>A person has set the annotation that asks for a comparison with the origin.</summary>
    [JsonIgnore]
    public bool IsRefreshRequested => Metadata.Annotations?.GetValueOrDefault(Names.ForceUpdateAnnotation) == "true";

    /// <summary>True when it has this status. Lists are compared by their content, times by the second.</summary>
    public bool HasStatus(CachedImageStatus status) =>
        (StatusChecksum ?? (Status is null ? null : Checksum(Status))) is { } checksum && checksum == Checksum(status);

    // Of the JSON, because lists have no value equality, and the API stores times without fractions. Half of a SHA-256 suffices: after a
    // collision a resource would stay outdated until its next change.
    private static UInt128 Checksum(CachedImageStatus status) => BinaryPrimitives.ReadUInt128BigEndian(
        SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(status, KubernetesJson.Default.CachedImageStatus)));

    /// <summary>The same resource with <see cref="Managers"/> parsed from the metadata, and without that tree.</summary>
    public CachedImage WithManagers() => this with
    {
        Metadata = Metadata with { ManagedFields = null },
        Managers = CachedImageManagers.From(Metadata.ManagedFields ?? []),
    };
}

/// <summary>Field managers of a CachedImage. All names that begin with <c>kuik</c> are Kuik's own.</summary>
/// <param name="IsTakenUp">Kuik owns fields of its metadata or spec: it created the resource, or has recorded the intent of the person who
/// did.</param>
/// <param name="SourceImage">The manager other than Kuik that owns <c>spec.sourceImage</c>; null for none.</param>
/// <param name="Retain">The same of <c>spec.retain</c>.</param>
/// <param name="ExpiresAt">The same of <c>spec.expiresAt</c>.</param>
/// <param name="ForceUpdate">The same of the annotation that asks for a comparison with the origin.</param>
public sealed record CachedImageManagers(bool IsTakenUp, string? SourceImage, string? Retain, string? ExpiresAt, string? ForceUpdate = null)
{
    /// <summary>The beginning of the names of Kuik's own field managers.</summary>
    internal const string Ours = "kuik";

    /// <summary>None is known.</summary>
    public static readonly CachedImageManagers Unknown = new(false, null, null, null);

    private static readonly CachedImageManagers OnlyKuik = Unknown with { IsTakenUp = true };

    internal static CachedImageManagers From(IReadOnlyList<ManagedFields> fields)
    {
        var managers = new CachedImageManagers(
            fields.Any(entry => IsOurs(entry) && (entry.Owns("spec") || entry.Owns("metadata"))),
            Other("spec", "sourceImage"), Other("spec", "retain"), Other("spec", "expiresAt"),
            Other("metadata", "annotations", Names.ForceUpdateAnnotation));
        return managers == OnlyKuik ? OnlyKuik : managers;   // one instance for most resources

        string? Other(params string[] path) => fields.FirstOrDefault(entry => !IsOurs(entry) && entry.Owns(path))?.Manager;
    }

    private static bool IsOurs(ManagedFields entry) => entry.Manager?.StartsWith(Ours, StringComparison.Ordinal) == true;
}

/// <summary>The intended state of an image.</summary>
public sealed record CachedImageSpec
{
    public string? SourceImage { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? ExpiresAt { get; init; }

    public bool? Retain { get; init; }
}

/// <summary>The observed state of an image.</summary>
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

    /// <summary><see cref="SizeInBytes"/> in a readable form: <c>56.3MiB</c>.</summary>
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

    /// <summary>The pulls through the nodes' proxies; null while none is reported.</summary>
    public CachedImagePulls? Pulls { get; init; }

    /// <summary><c>Ready</c>, <c>Cached</c>, <c>UpToDate</c> and <c>InUse</c>, in this order.</summary>
    public IReadOnlyList<ResourceCondition>? Conditions { get; init; }
}

/// <summary>The pulls of an image since it was last requested.</summary>
/// <param name="Count">How many.</param>
/// <param name="Last">UTC: when the last one was.</param>
public sealed record CachedImagePulls(long Count, [property: JsonConverter(typeof(KubernetesTime))] DateTimeOffset? Last);

/// <summary>The users of an image.</summary>
/// <param name="Pods">At most 50 pods; null for none.</param>
/// <param name="Count">The number of pods.</param>
public sealed record CachedImageUse(IReadOnlyList<PodName>? Pods, int Count)
{
    /// <summary>The first of the workloads whose pod template contains it; null for none.</summary>
    public IReadOnlyList<WorkloadName>? Workloads { get; init; }

    /// <summary>The number of workloads; null for none.</summary>
    public int? WorkloadCount { get; init; }
}

/// <summary>A workload.</summary>
/// <param name="Kind">For example <c>Deployment</c>.</param>
/// <param name="NamespacedName"><c>namespace/name</c>.</param>
public sealed record WorkloadName(string Kind, string NamespacedName);

/// <summary>A pod.</summary>
/// <param name="NamespacedName"><c>namespace/name</c>.</param>
public sealed record PodName(string NamespacedName);
