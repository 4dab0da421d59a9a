using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

namespace Kuik.Oci;

/// <summary>
/// Parses JSON that third parties wrote. Unreadable input is a <see cref="JsonException"/> at once: <see cref="JsonElement"/> and
/// <see cref="JsonNode"/> by themselves throw others, and only when the text that is not UTF-8, or the name that comes twice, is looked at.
/// </summary>
public static class UntrustedJson
{
    private static readonly JsonDocumentOptions WithoutDuplicates = new() { AllowDuplicateProperties = false };

    /// <summary>The document; of properties that come twice the last one counts. The caller disposes of it.</summary>
    /// <exception cref="JsonException">It is not JSON, not UTF-8, or holds half of a surrogate pair.</exception>
    public static JsonDocument ParseDocument(ReadOnlyMemory<byte> text)
    {
        ThrowIfNotText(text.Span);
        return JsonDocument.Parse(text);
    }

    /// <summary>The root node; null for <c>null</c>.</summary>
    /// <exception cref="JsonException">It is not JSON, not UTF-8, holds half of a surrogate pair, or a property twice.</exception>
    public static JsonNode? ParseNode(ReadOnlySpan<byte> text)
    {
        ThrowIfNotText(text);
        return JsonNode.Parse(text, documentOptions: WithoutDuplicates);
    }

    private static void ThrowIfNotText(ReadOnlySpan<byte> text)
    {
        if (!Utf8.IsValid(text))
            throw new JsonException("it is not UTF-8");
        if (text.IndexOf("\\u"u8) < 0)   // only an escape can be half of a surrogate pair then
            return;
        var reader = new Utf8JsonReader(text);
        while (reader.Read())
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
                ThrowIfNotText(ref reader);
    }

    private static void ThrowIfNotText(ref Utf8JsonReader reader)
    {
        try
        {
            reader.GetString();
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("it holds half of a surrogate pair", e);
        }
    }
}
