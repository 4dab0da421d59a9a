using System.Text.Json.Nodes;
using Kuik.Contracts;

namespace Kuik.Tests.Webhook;

/// <summary>
/// A pod without what the webhook may change: images of containers and image volumes, our label, our annotations. Whatever is of another
/// kind than in a pod stays as it is.
/// </summary>
internal static class WithoutOurs
{
    private static readonly string[] Lists = ["containers", "initContainers", "ephemeralContainers"];

    public static JsonNode? Strip(JsonNode? pod)
    {
        var stripped = pod?.DeepClone();
        var containers = Lists
            .SelectMany(list => (Member(Member(stripped, "spec"), list) as JsonArray ?? []).OfType<JsonObject>()
            .Select(container => (List: list, Container: container))).ToList();
        var volumes = (Member(Member(stripped, "spec"), "volumes") as JsonArray ?? []).OfType<JsonObject>()
            .Where(volume => volume["image"] is not null).ToList();
        var ours = containers.Select(c => c.List == "initContainers"
            ? Names.OriginalInitImageAnnotation(Text(c.Container["name"]))
            : Names.OriginalImageAnnotation(Text(c.Container["name"])))
            .Concat(volumes.Select(volume => Names.OriginalVolumeImageAnnotation(Text(volume["name"]))));
        Remove(Member(stripped, "metadata"), "annotations", ours.Append(Names.RewriteAnnotation));
        Remove(Member(stripped, "metadata"), "labels", [Names.ManagedLabel]);
        foreach (var (_, container) in containers)
            container.Remove("image");
        foreach (var volume in volumes)
            (volume["image"] as JsonObject)?.Remove("reference");
        return stripped;
    }

    private static void Remove(JsonNode? metadata, string map, IEnumerable<string> keys)
    {
        if (Member(metadata, map) is JsonObject entries)
        {
            foreach (var key in keys)
                entries.Remove(key);
        }
        if (metadata is JsonObject parent && parent[map] is null or JsonObject { Count: 0 })
            parent.Remove(map);   // a map that is missing, null or empty says the same
    }

    private static JsonNode? Member(JsonNode? node, string name) => (node as JsonObject)?[name];

    private static string Text(JsonNode? name) => name is JsonValue value && value.TryGetValue<string>(out var text) ? text : "";
}
