using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Kuik.Tests.Webhook;

/// <summary>
/// Applies a JSON Patch (RFC 6902) as a Kubernetes API does, as far as the webhook uses it: <c>add</c>, <c>replace</c> and <c>remove</c>.
/// </summary>
internal static class JsonPatch
{
    /// <summary>The document after the patch; the one given stays as it is.</summary>
    /// <exception cref="InvalidOperationException">An operation does not fit the document.</exception>
    [return: NotNullIfNotNull(nameof(document))]
    public static JsonNode? Apply(JsonNode? document, JsonArray patch)
    {
        var patched = document?.DeepClone();
        foreach (var operation in patch)
            Apply(patched ?? throw new InvalidOperationException("there is nothing to patch"), (string)operation!["op"]!,
                (string)operation["path"]!, operation["value"]?.DeepClone());
        return patched;
    }

    /// <summary>The value at a JSON Pointer; null for none.</summary>
    public static JsonNode? At(JsonNode? document, string path) =>
        KeysOf(path).Aggregate(document, (node, key) => node is null ? null : Member(node, key));

    private static void Apply(JsonNode document, string op, string path, JsonNode? value)
    {
        var keys = KeysOf(path);
        var parent = keys.SkipLast(1)
            .Aggregate(document, (node, key) => Member(node, key) ?? throw new InvalidOperationException($"{path}: there is no {key}"));
        if (op is not ("add" or "replace" or "remove"))
            throw new InvalidOperationException($"{op} is not known here");
        if (op != "add" && Member(parent, keys[^1]) is null)
            throw new InvalidOperationException($"{path}: nothing to {op}");
        if (op == "remove")
            parent.AsObject().Remove(keys[^1]);
        else
            parent[keys[^1]] = value;
    }

    private static List<string> KeysOf(string path) =>
        [.. path.Split('/').Skip(1)
            .Select(key => key.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))];

    private static JsonNode? Member(JsonNode node, string key) => node is JsonArray list
        ? list[int.Parse(key, CultureInfo.InvariantCulture)]
        : node[key];
}
