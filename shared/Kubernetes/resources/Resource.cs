using System.Text.Json.Serialization;

namespace Kuik.Kubernetes;

/// <summary>Any object of the API, as far as a <see cref="Reflector{TResource,TState}"/> needs to know it.</summary>
public interface IResource
{
    /// <summary>Opaque; where a watch goes on from.</summary>
    string? ResourceVersion { get; }
}

/// <summary>The part of an object's metadata that Kuik reads or writes. Null is "absent" in both directions.</summary>
public sealed record ObjectMeta
{
    /// <summary>Unique in its namespace, or in the cluster.</summary>
    public string? Name { get; init; }

    /// <summary>Null for what belongs to no namespace.</summary>
    public string? Namespace { get; init; }

    /// <summary>Never used again for another object.</summary>
    public string? Uid { get; init; }

    /// <summary>Opaque; where a watch goes on from.</summary>
    public string? ResourceVersion { get; init; }

    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    public IReadOnlyDictionary<string, string>? Annotations { get; init; }

    /// <summary>When the object was created; never written.</summary>
    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? CreationTimestamp { get; init; }

    /// <summary>Set while the object is being deleted and still there.</summary>
    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? DeletionTimestamp { get; init; }

    /// <summary>What has to happen before a deleted object goes.</summary>
    public IReadOnlyList<string>? Finalizers { get; init; }

    /// <summary>Which field manager owns which fields.</summary>
    public IReadOnlyList<ManagedFields>? ManagedFields { get; init; }
}

/// <summary>The fields of an object that one manager owns.</summary>
/// <param name="Manager">For example <c>kubectl-create</c>.</param>
/// <param name="Operation"><c>Apply</c> or <c>Update</c>.</param>
/// <param name="FieldsV1">A tree of <c>f:</c> names.</param>
public sealed record ManagedFields(string? Manager, string? Operation, System.Text.Json.JsonElement? FieldsV1)
{
    /// <summary>Does it own this field?</summary>
    /// <param name="path">From the object's root: <c>spec</c>, <c>retain</c>.</param>
    public bool Owns(params ReadOnlySpan<string> path)
    {
        if (FieldsV1 is not { ValueKind: System.Text.Json.JsonValueKind.Object } at)
            return false;
        foreach (var name in path)
            if (at.ValueKind != System.Text.Json.JsonValueKind.Object || !at.TryGetProperty("f:" + name, out at))
                return false;
        return true;
    }
}

/// <summary>One page of a list.</summary>
public sealed record ResourceList<TResource>(ListMeta Metadata, IReadOnlyList<TResource>? Items);

/// <summary>Where a list stands.</summary>
/// <param name="ResourceVersion">What the whole list is a snapshot of.</param>
/// <param name="Continue">Asks for the next page; null or empty on the last one.</param>
public sealed record ListMeta(string ResourceVersion, string? Continue);

/// <summary>One line of a watch. Its type (ADDED, MODIFIED, DELETED, BOOKMARK, ERROR) has been read before.</summary>
public sealed record WatchLine<TResource>(TResource Object);

/// <summary>The API's own account of an error (kind <c>Status</c>).</summary>
/// <param name="Code">An HTTP status code.</param>
/// <param name="Reason">For example <c>Expired</c>, <c>AlreadyExists</c>.</param>
/// <param name="Message">For a person.</param>
/// <param name="Details">More of some errors; null for none.</param>
public sealed record ApiStatus(int? Code, string? Reason, string? Message, ApiStatusDetails? Details = null);

/// <summary>More of an error.</summary>
/// <param name="RetryAfterSeconds">How long to wait; null or 0 when the API does not say.</param>
public sealed record ApiStatusDetails(int? RetryAfterSeconds);

/// <summary>The beginning of a watch line.</summary>
public sealed record WatchLineType(string Type);
