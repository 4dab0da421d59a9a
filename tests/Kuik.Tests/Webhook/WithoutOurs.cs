using System.Text.Json.Nodes;
using Kuik.Contracts;

namespace Kuik.Tests.Webhook;

/// <summary>A pod without what the webhook may change: images, our label, our annotations.</summary>
internal static class WithoutOurs
{
    private static readonly string[] Lists = ["containers", "initContainers", "ephemeralContainers"];

    public static JsonNode Strip(JsonNode pod)
    {
        var stripped = pod.DeepClone();
        var containers = Lists
            .SelectMany(list => (stripped["spec"]?[list] as JsonArray ?? []).OfType<JsonObject>().Select(container => (List: list, Container: container))).ToList();
        var ours = containers.Select(c => c.List == "initContainers"
            ? Names.OriginalInitImageAnnotation((string?)c.Container["name"] ?? "")
            : Names.OriginalImageAnnotation((string?)c.Container["name"] ?? "")).Append(Names.RewriteAnnotation);
        Remove(stripped["metadata"], "annotations", ours);
        Remove(stripped["metadata"], "labels", [Names.ManagedLabel]);
        foreach (var (_, container) in containers)
            container.Remove("image");
        return stripped;
    }

    private static void Remove(JsonNode? metadata, string map, IEnumerable<string> keys)
    {
        if (metadata?[map] is JsonObject entries)
        {
            foreach (var key in keys)
                entries.Remove(key);
        }
        if (metadata is JsonObject parent && parent[map] is null or JsonObject { Count: 0 })
            parent.Remove(map);   // a map that is missing, null or empty says the same
    }
}
