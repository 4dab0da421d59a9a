using System.Text.Json.Serialization.Metadata;

namespace Kuik.Kubernetes;

/// <summary>The kind of object that a <see cref="Reflector{TResource,TState}"/> follows, and the part it keeps of each.</summary>
/// <param name="What">For the log: <c>pods</c>.</param>
/// <param name="Path">The list's path below the server's address, without a leading slash: <c>api/v1/pods</c>.</param>
/// <param name="LabelSelector">Selects objects; null for all.</param>
/// <param name="ListType">The type of a page.</param>
/// <param name="LineType">The type of a watch line.</param>
/// <param name="KeyOf">The key of an object.</param>
/// <param name="Keep">The kept part of an object, so that memory stays small for a large cluster.</param>
public sealed record WatchedResource<TResource, TState>(
    string What, string Path, string? LabelSelector,
    JsonTypeInfo<ResourceList<TResource>> ListType, JsonTypeInfo<WatchLine<TResource>> LineType,
    Func<TResource, string> KeyOf, Func<TResource, TState> Keep)
    where TResource : IResource
    where TState : class
{
    private const int PageSize = 500;

    internal string PageAfter(string? next) =>
        $"{Path}?limit={PageSize}{Selector}{(string.IsNullOrEmpty(next) ? "" : "&continue=" + Uri.EscapeDataString(next))}";

    internal string WatchFrom(string version, TimeSpan length) =>
        $"{Path}?watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={(int)length.TotalSeconds}{Selector}";

    private string Selector => LabelSelector is null ? "" : "&labelSelector=" + Uri.EscapeDataString(LabelSelector);
}

/// <summary>The changes since the last call: only hints, the state itself is authoritative.</summary>
/// <param name="Listed">A complete list was taken: everything may have changed, and an object that is not in
/// the state does not exist.</param>
/// <param name="Keys">Objects that were added, changed or deleted.</param>
/// <param name="Deleted">Those whose deletion was seen in the watch, with the part last kept of them.</param>
public sealed record ChangeSet<TState>(bool Listed, IReadOnlySet<string> Keys, IReadOnlyDictionary<string, TState> Deleted)
{
    /// <summary>The number of complete lists up to then.</summary>
    public int Lists { get; init; }

    // CA1000: the type cannot be inferred anyway.
#pragma warning disable CA1000
    /// <summary>No changes.</summary>
    public static ChangeSet<TState> None { get; } = new(false, new HashSet<string>(), new Dictionary<string, TState>());
#pragma warning restore CA1000
}
