using System.Text.Json;
using System.Text.Json.Nodes;

namespace Kuik.Oci;

/// <summary>Reads JSON of strangers into nodes.</summary>
public static class ParseJson
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>What it says. A name that comes twice in one object is an error here: otherwise it is one only later, of another type, when the object is first looked into.</summary>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static JsonNode? Run(ReadOnlySpan<byte> text) => JsonNode.Parse(text, documentOptions: Strict);
}
