using System.Text.Json;
using System.Text.Json.Nodes;

namespace Kuik.EventLog.Audit;

/// <summary>Names the fields in which two values of one type differ.</summary>
internal static class StateText
{
    /// <summary>For example <c>digest is "sha256:00…", the log says "sha256:11…"</c>.</summary>
    /// <param name="found">The stored value.</param>
    /// <param name="folded">The value by the log.</param>
    public static string Differences<T>(T found, T folded) =>
        AreEqual(found, folded) ? "" : string.Join("; ", Compare(AsObject(found), AsObject(folded)));

    // Of ten thousands of values hardly one differs: two texts are made and compared in a tenth of the time of two trees.
    private static bool AreEqual<T>(T found, T folded) => ReferenceEquals(found, folded)
        || JsonSerializer.SerializeToUtf8Bytes(found, FactReader.Json).AsSpan().SequenceEqual(
            JsonSerializer.SerializeToUtf8Bytes(folded, FactReader.Json));

    private static IEnumerable<string> Compare(JsonObject found, JsonObject folded) => found.Select(field => field.Key)
        .Union(folded.Select(field => field.Key))
        .Where(key => !JsonNode.DeepEquals(found[key], folded[key]))
        .Select(key => $"{key} is {Text(found[key])}, the log says {Text(folded[key])}");

    private static JsonObject AsObject<T>(T value) => JsonSerializer.SerializeToNode(value, FactReader.Json) as JsonObject ?? [];

    private static string Text(JsonNode? value) => value?.ToJsonString(FactReader.Json) ?? "null";
}
