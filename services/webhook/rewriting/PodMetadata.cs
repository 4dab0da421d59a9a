using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Kuik.Webhook;

/// <summary>JSON Patch operations on a pod's labels and annotations.</summary>
internal static class PodMetadata
{
    /// <summary>
    /// Kubernetes refuses an object whose annotations are larger, in bytes, keys and values together (TotalAnnotationSizeLimitB).
    /// </summary>
    public const int LargestAnnotations = 256 * 1024;

    /// <summary>Adds the operations that a map needs to hold these entries; none where it holds them already.</summary>
    /// <param name="patch">The patch to which they are added.</param>
    /// <param name="metadata">The pod's metadata, as it is.</param>
    /// <param name="map"><c>labels</c> or <c>annotations</c>.</param>
    /// <param name="wanted">The entries; one with the value null is removed.</param>
    public static void Set(JsonArray patch, JsonElement? metadata, string map, Dictionary<string, string?> wanted)
    {
        if (metadata.Member(map) is not { } existing)
        {
            var added = wanted.Where(entry => entry.Value is not null)
                .Select(entry => KeyValuePair.Create(entry.Key, (JsonNode?)entry.Value));
            if (added.Any())
                patch.Add((JsonNode)Operation("add", $"/metadata/{map}", new JsonObject(added)));
            return;
        }
        foreach (var (key, value) in wanted)
        {
            var path = $"/metadata/{map}/{Escape(key)}";
            if (((JsonElement?)existing).Member(key).Text() is var current && current == value)
                continue;
            patch.Add((JsonNode)(value is null ? new JsonObject { ["op"] = "remove", ["path"] = path } : Operation("add", path, value)));
        }
    }

    /// <summary>One operation.</summary>
    public static JsonObject Operation(string op, string path, JsonNode? value) =>
        new() { ["op"] = op, ["path"] = path, ["value"] = value };

    /// <summary>
    /// Size of the annotations with these added, in bytes. Removed ones still count: the result is too large by no more than their size.
    /// </summary>
    public static int Size(JsonElement? metadata, Dictionary<string, string?> added)
    {
        // Of an annotation that comes twice, the last one counts: a Kubernetes API reads it so.
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        if (metadata.Member("annotations") is { } annotations)
        {
            foreach (var note in annotations.EnumerateObject())
                all[note.Name] = ((JsonElement?)note.Value).Text() ?? "";
        }
        foreach (var (key, value) in added)
            all[key] = value ?? all.GetValueOrDefault(key, "");
        return all.Sum(note => Encoding.UTF8.GetByteCount(note.Key) + Encoding.UTF8.GetByteCount(note.Value));
    }

    // RFC 6901, section 3.
    private static string Escape(string key) =>
        key.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
}
