using System.Globalization;
using System.Text.Json.Nodes;

namespace Kuik.Testing;

/// <summary>
/// <c>metadata.managedFields</c> of an object: the managers of fields, as server-side apply keeps them. Lists and values are owned whole,
/// as by default in a resource definition.
/// </summary>
internal sealed class FieldOwnership
{
    private const char Separator = '\n';   // between the parts of a path: a label's key holds dots and slashes

    private static readonly HashSet<string> OfTheServer =
        ["apiVersion", "kind", .. new[] { "name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
            "deletionTimestamp", "managedFields", "selfLink" }
            .Select(name => $"metadata{Separator}{name}")];

    private readonly List<Entry> _entries = [];

    /// <summary>Reads them from the object.</summary>
    public FieldOwnership(JsonObject? stored)
    {
        foreach (var entry in stored?["metadata"]?["managedFields"] as JsonArray ?? [])
        {
            var paths = new HashSet<string>();
            CollectOwned(entry!["fieldsV1"]!.AsObject(), "", paths);
            _entries.Add(new Entry((string)entry["manager"]!, (string)entry["operation"]!, (string?)entry["subresource"],
                (string)entry["time"]!, paths));
        }
    }

    /// <summary>The paths of all fields of an object, except those that the server sets.</summary>
    public static HashSet<string> PathsOf(JsonObject content)
    {
        var paths = new HashSet<string>();
        Collect(content, "", paths);
        paths.ExceptWith(OfTheServer);
        return paths;
    }

    /// <summary>Applies fields to <paramref name="target"/>, and makes the manager their owner.</summary>
    /// <param name="target">The current object; changed.</param>
    /// <param name="applied">The fields that the manager wants to own.</param>
    /// <param name="manager">Its name.</param>
    /// <param name="subresource">Null for the object itself.</param>
    /// <param name="force">Takes fields from other managers.</param>
    /// <returns>The managers that own a field with another value; empty when it was applied.</returns>
    public IReadOnlyList<string> Apply(JsonObject target, JsonObject applied, string manager, string? subresource, bool force)
    {
        var wanted = PathsOf(applied);
        var own = Find(manager, "Apply", subresource);
        var different = wanted.Where(path => !JsonNode.DeepEquals(At(target, path), At(applied, path))).ToHashSet();
        var others = _entries.Where(entry => entry != own && entry.Paths.Overlaps(different)).ToList();
        if (!force && others.Count > 0)
            return [.. others.Select(entry => entry.Manager).Distinct()];
        foreach (var other in others)
            other.Paths.ExceptWith(different);
        foreach (var path in own?.Paths.Except(wanted).ToList() ?? [])
            if (!_entries.Exists(entry => entry != own && entry.Paths.Contains(path)))
                Remove(target, path);
        foreach (var path in different)
            Set(target, path, At(applied, path));
        Replace(own, new Entry(manager, "Apply", subresource, Now(), wanted));
        return [];
    }

    /// <summary>
    /// Makes the manager the owner of the fields that an ordinary write has changed; removed fields have no owner any more.
    /// </summary>
    public void Update(JsonObject? before, JsonObject after, string manager, string? subresource)
    {
        var now = PathsOf(after);
        var changed = now.Where(path => before is null || !JsonNode.DeepEquals(At(before, path), At(after, path))).ToHashSet();
        if (changed.Count == 0 && (before is null || PathsOf(before).SetEquals(now)))
            return;
        foreach (var entry in _entries)
        {
            entry.Paths.ExceptWith(changed);
            entry.Paths.IntersectWith(now);
        }
        var own = Find(manager, "Update", subresource);
        Replace(own, new Entry(manager, "Update", subresource, Now(), [.. changed.Union(own?.Paths ?? [])]));
    }

    /// <summary>Writes them into the object.</summary>
    public void WriteTo(JsonObject content)
    {
        var written = new JsonArray();
        foreach (var entry in _entries.Where(entry => entry.Paths.Count > 0))
        {
            var fields = new JsonObject();
            foreach (var path in entry.Paths.Order(StringComparer.Ordinal))
                SetOwned(fields, path.Split(Separator));
            var line = new JsonObject
            {
                ["manager"] = entry.Manager,
                ["operation"] = entry.Operation,
                ["apiVersion"] = (string?)content["apiVersion"],
                ["time"] = entry.Time,
                ["fieldsType"] = "FieldsV1",
                ["fieldsV1"] = fields,
            };
            if (entry.Subresource is { } subresource)
                line["subresource"] = subresource;
            written.Add((JsonNode)line);
        }
        content["metadata"]!["managedFields"] = written;
    }

    private Entry? Find(string manager, string operation, string? subresource) =>
        _entries.Find(entry => (entry.Manager, entry.Operation, entry.Subresource) == (manager, operation, subresource));

    private void Replace(Entry? old, Entry entry)
    {
        if (old is not null && old.Paths.SetEquals(entry.Paths))
            return;   // keeps its time: an apply that changes nothing writes nothing
        if (old is not null)
            _entries.Remove(old);
        _entries.Add(entry);
    }

    private static void Collect(JsonObject content, string prefix, HashSet<string> paths)
    {
        foreach (var (key, value) in content)
        {
            if (value is JsonObject { Count: > 0 } inner)
                Collect(inner, prefix + key + Separator, paths);
            else if (value is not null)
                paths.Add(prefix + key);
        }
    }

    private static void CollectOwned(JsonObject fields, string prefix, HashSet<string> paths)
    {
        foreach (var (key, value) in fields)
        {
            if (value is JsonObject { Count: > 0 } inner)
                CollectOwned(inner, prefix + key[2..] + Separator, paths);
            else
                paths.Add(prefix + key[2..]);
        }
    }

    private static void SetOwned(JsonObject fields, ReadOnlySpan<string> path)
    {
        foreach (var part in path)
        {
            if (fields["f:" + part] is not JsonObject inner)
                fields["f:" + part] = inner = [];
            fields = inner;
        }
    }

    private static JsonNode? At(JsonNode? content, string path)
    {
        foreach (var part in path.Split(Separator))
            content = (content as JsonObject)?[part];
        return content;
    }

    private static void Set(JsonObject content, string path, JsonNode? value)
    {
        var parts = path.Split(Separator);
        foreach (var part in parts[..^1])
        {
            if (content[part] is not JsonObject inner)
                content[part] = inner = [];
            content = inner;
        }
        content[parts[^1]] = value?.DeepClone();
    }

    private static void Remove(JsonObject content, string path)
    {
        var parts = path.Split(Separator);
        if (At(content, path) is null)
            return;
        for (var depth = parts.Length; depth > 0; depth--)
        {
            var parent = depth == 1 ? content : (JsonObject)At(content, string.Join(Separator, parts[..(depth - 1)]))!;
            if (depth < parts.Length && parent[parts[depth - 1]] is JsonObject { Count: > 0 })
                return;
            parent.Remove(parts[depth - 1]);
        }
    }

    private static string Now() => DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private sealed record Entry(string Manager, string Operation, string? Subresource, string Time, HashSet<string> Paths);
}
