using System.Text.Json.Serialization.Metadata;

namespace Kuik.Kubernetes;

/// <summary>What a <see cref="Reflector{TResource,TState}"/> follows, and what it keeps of it.</summary>
/// <param name="What">For the log: <c>pods</c>.</param>
/// <param name="Path">The list's path below the server's address, without a leading slash: <c>api/v1/pods</c>.</param>
/// <param name="LabelSelector">Which of them; null for all.</param>
/// <param name="ListType">How to read a page.</param>
/// <param name="LineType">How to read a watch line.</param>
/// <param name="KeyOf">What tells two objects apart.</param>
/// <param name="Keep">What is kept of an object, so that a large cluster stays a small process.</param>
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

/// <summary>What has happened since somebody last asked: hints only, the state itself says what is.</summary>
/// <param name="Listed">A complete list was taken: everything may have changed, and what is not in the state does not exist.</param>
/// <param name="Keys">Objects that came, changed or went.</param>
/// <param name="Deleted">Those of them whose deletion was seen as it happened, with what was last kept of them.</param>
public sealed record ChangeSet<TState>(bool Listed, IReadOnlySet<string> Keys, IReadOnlyDictionary<string, TState> Deleted)
{
    /// <summary>How many complete lists had been taken until then.</summary>
    public int Lists { get; init; }

    // CA1000: there is nothing to infer the type from anyway.
#pragma warning disable CA1000
    /// <summary>Nothing has happened.</summary>
    public static ChangeSet<TState> None { get; } = new(false, new HashSet<string>(), new Dictionary<string, TState>());
#pragma warning restore CA1000
}
