using System.Text.Json.Serialization;

namespace Kuik.Kubernetes;

/// <summary>The part of an object's metadata that Kuik reads or writes. Null is "absent" in both directions.</summary>
public sealed record ObjectMeta
{
    /// <summary>Unique in its namespace, or in the cluster.</summary>
    public string? Name { get; init; }

    /// <summary>Null for a cluster-scoped object.</summary>
    public string? Namespace { get; init; }

    /// <summary>Never reused for another object.</summary>
    public string? Uid { get; init; }

    /// <summary>Opaque; the position at which a watch continues.</summary>
    public string? ResourceVersion { get; init; }

    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    public IReadOnlyDictionary<string, string>? Annotations { get; init; }

    /// <summary>When the object was created; never written.</summary>
    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? CreationTimestamp { get; init; }

    /// <summary>Set while the object is being deleted.</summary>
    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? DeletionTimestamp { get; init; }

    /// <summary>The conditions for the removal of the object after its deletion.</summary>
    public IReadOnlyList<string>? Finalizers { get; init; }

    /// <summary>The fields of the object by field manager.</summary>
    public IReadOnlyList<ManagedFields>? ManagedFields { get; init; }
}
