using Microsoft.AspNetCore.Http;

namespace Kuik.Testing;

/// <summary>One request that a <see cref="ScriptedKubernetes"/> got.</summary>
/// <param name="Verb">As RBAC names it: <c>get</c>, <c>list</c>, <c>watch</c>, <c>create</c>, <c>update</c>, <c>patch</c>,
/// <c>delete</c>.</param>
/// <param name="Group">Empty for the core group.</param>
/// <param name="Resource">For example <c>pods</c>.</param>
/// <param name="Subresource">For example <c>status</c>; null for none.</param>
/// <param name="Namespace">Null for objects of the cluster, and for lists over all namespaces.</param>
/// <param name="Name">Null for lists and for what is created.</param>
public sealed record ScriptedRequest(string Verb, string Group, string Resource, string? Subresource, string? Namespace, string? Name)
{
    /// <summary>Path and query, as they came.</summary>
    public required string Path { get; init; }

    /// <summary>How many requests with this verb and resource there were before; of a list, pages after the first are counted
    /// apart.</summary>
    public int Count { get; internal set; }

    /// <summary>A page of a list after its first.</summary>
    public bool IsFurtherPage { get; init; }

    /// <summary>When it came. UTC.</summary>
    public DateTimeOffset At { get; } = DateTimeOffset.UtcNow;

    /// <summary>Of the body, without parameters; null for none.</summary>
    internal string? MediaType { get; init; }

    internal IQueryCollection Query { get; init; } = QueryCollection.Empty;

    /// <summary>By which the store keeps objects of this kind.</summary>
    internal string Kind => $"{Group}/{Resource}";

    internal string Key => ObjectStore.KeyOf(Namespace, Name!);

    /// <summary>As in messages of a real server: <c>cachedimages.kuik.enix.io</c>.</summary>
    internal string KindOfObject => Group.Length == 0 ? Resource : $"{Resource}.{Group}";

    internal string? FieldManager => Query["fieldManager"].FirstOrDefault();

    /// <summary>Reads path and query; null for a path that is no resource's.</summary>
    internal static ScriptedRequest? Read(HttpRequest http)
    {
        var path = http.Path.Value!.Trim('/').Split('/');
        var (group, rest) = path switch
        {
            ["api", "v1", .. var core] => ("", core),
            ["apis", var named, _, .. var others] => (named, others),
            _ => ("", []),
        };
        (string Resource, string? Namespace, string? Name, string? Subresource)? target = rest switch
        {
            ["namespaces", var name] => ("namespaces", null, name, null),
            ["namespaces", var space, var resource] => (resource, space, null, null),
            ["namespaces", var space, var resource, var name] => (resource, space, name, null),
            ["namespaces", var space, var resource, var name, var sub] => (resource, space, name, sub),
            [var resource] => (resource, null, null, null),
            [var resource, var name] => (resource, null, name, null),
            [var resource, var name, var sub] => (resource, null, name, sub),
            _ => null,
        };
        if (target is not { } found)
            return null;
        return new ScriptedRequest(VerbOf(http, found.Name is null), group, found.Resource, found.Subresource, found.Namespace, found.Name)
        {
            Path = http.Path.Value + http.QueryString,
            IsFurtherPage = !string.IsNullOrEmpty(http.Query["continue"]),
            MediaType = http.ContentType?.Split(';')[0],
            Query = http.Query,
        };
    }

    private static string VerbOf(HttpRequest http, bool isOfAll) => http.Method switch
    {
        "GET" when http.Query["watch"].FirstOrDefault() is "true" or "1" => "watch",
        "GET" => isOfAll ? "list" : "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        var other => other.ToLowerInvariant(),
    };
}
