using System.Buffers;
using System.Text.Json;

namespace Kuik.Webhook;

/// <summary>Reads JSON as it came, where anything may be missing or of another kind, and writes it as bytes.</summary>
internal static class RawJson
{
    /// <summary>A member that is there and not null; otherwise null, also of what is no object, or has names that are no Unicode.</summary>
    public static JsonElement? Member(this JsonElement? element, string name)
    {
        try
        {
            return element is { ValueKind: JsonValueKind.Object } from && from.TryGetProperty(name, out var member)
                && member.ValueKind != JsonValueKind.Null ? member : null;
        }
        catch (InvalidOperationException)   // half of a surrogate pair in some other member's name
        {
            return null;
        }
    }

    /// <summary>An object with names that can be read.</summary>
    public static bool IsMap(this JsonElement element)
    {
        try
        {
            // reading the name is the step that can fail
            return element.ValueKind == JsonValueKind.Object && element.EnumerateObject().All(member => member.Name is not null);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>A text; null if it is none, or no Unicode (half of a surrogate pair, for example).</summary>
    public static string? Text(this JsonElement? element)
    {
        try
        {
            return element is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>A list's items; none if it is no list.</summary>
    public static IEnumerable<JsonElement?> Items(this JsonElement? element) =>
        element is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray().Select(item => (JsonElement?)item) : [];

    /// <summary>The written JSON as UTF-8: an intermediate string for a large pod would land on the large object heap.</summary>
    public static ReadOnlyMemory<byte> Write(Action<Utf8JsonWriter> write, JsonWriterOptions options = default)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes, options))
            write(json);
        return bytes.WrittenMemory;
    }
}
