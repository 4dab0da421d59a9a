using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Kuik.Tests.Webhook;

/// <summary>Applies a JSON Patch (RFC 6902) as a Kubernetes API does, as far as the webhook uses it: <c>add</c> and <c>replace</c>.</summary>
internal static class JsonPatch
{
    /// <summary>The document after the patch; the one given stays as it is.</summary>
    /// <exception cref="InvalidOperationException">An operation does not fit the document.</exception>
    [return: NotNullIfNotNull(nameof(document))]
    public static JsonNode? Apply(JsonNode? document, JsonArray patch)
    {
        var patched = document?.DeepClone();
        foreach (var operation in patch)
            Apply(patched ?? throw new InvalidOperationException("there is nothing to patch"), (string)operation!["op"]!, (string)operation["path"]!, operation["value"]?.DeepClone());
        return patched;
    }

    private static void Apply(JsonNode document, string op, string path, JsonNode? value)
    {
        var keys = path.Split('/').Skip(1).Select(key => key.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)).ToList();
        var parent = keys.SkipLast(1).Aggregate(document, (node, key) => Member(node, key) ?? throw new InvalidOperationException($"{path}: there is no {key}"));
        if (op == "replace" && Member(parent, keys[^1]) is null)
            throw new InvalidOperationException($"{path}: nothing to replace");
        if (op is not ("add" or "replace"))
            throw new InvalidOperationException($"{op} is not known here");
        parent[keys[^1]] = value;
    }

    private static JsonNode? Member(JsonNode node, string key) => node is JsonArray list ? list[int.Parse(key, CultureInfo.InvariantCulture)] : node[key];
}
