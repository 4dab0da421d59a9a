using System.Text.Json.Serialization;

namespace Kuik.Kubernetes;

/// <summary>The fields that a <see cref="Reflector{TResource,TState}"/> needs of any object.</summary>
public interface IResource
{
    /// <summary>Opaque; the position at which a watch continues.</summary>
    string? ResourceVersion { get; }
}

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

    /// <summary>The fields of the object by field manager.</summary>
    public IReadOnlyList<ManagedFields>? ManagedFields { get; init; }
}

/// <summary>The fields of an object that one manager owns.</summary>
/// <param name="Manager">For example <c>kubectl-create</c>.</param>
/// <param name="Operation"><c>Apply</c> or <c>Update</c>.</param>
/// <param name="FieldsV1">A tree of <c>f:</c> names.</param>
public sealed record ManagedFields(string? Manager, string? Operation, System.Text.Json.JsonElement? FieldsV1)
{
    /// <summary>True when the manager owns this field.</summary>
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

/// <summary>The metadata of a page of a list.</summary>
/// <param name="ResourceVersion">The version of the whole list.</param>
/// <param name="Continue">The token of the next page; null or empty on the last one.</param>
public sealed record ListMeta(string ResourceVersion, string? Continue);

/// <summary>One line of a watch. Its type (ADDED, MODIFIED, DELETED, BOOKMARK, ERROR) has been read before.</summary>
public sealed record WatchLine<TResource>(TResource Object);

/// <summary>The API's description of an error (kind <c>Status</c>).</summary>
/// <param name="Code">An HTTP status code.</param>
/// <param name="Reason">For example <c>Expired</c>, <c>AlreadyExists</c>.</param>
/// <param name="Message">A sentence for operators.</param>
/// <param name="Details">Details of some errors; null for none.</param>
public sealed record ApiStatus(int? Code, string? Reason, string? Message, ApiStatusDetails? Details = null);

/// <summary>Details of an error.</summary>
/// <param name="RetryAfterSeconds">The wait that the API asks for; null or 0 for none.</param>
public sealed record ApiStatusDetails(int? RetryAfterSeconds);

/// <summary>The beginning of a watch line.</summary>
public sealed record WatchLineType(string Type);
