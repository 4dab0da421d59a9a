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
