using System.Text;
using System.Text.Json;

namespace Kuik.Oci;

/// <summary>
/// The small manifests that Kuik keeps in the cache registry beside the images: wrappers of indexes, checksums, tombstones. They are told
/// apart by their artifact type (OCI image-spec, manifest.md, "Guidelines for Artifact Usage").
/// </summary>
public static class ArtifactManifest
{
    private static ReadOnlySpan<byte> Ours => "application/vnd.enix.kuik."u8;

    /// <summary>The config blob of all of them; it has to be in the repository first.</summary>
    public static ReadOnlySpan<byte> EmptyBlob => "{}"u8;

    /// <summary>Digest of <see cref="EmptyBlob"/>.</summary>
    public const string EmptyDigest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    /// <summary>The manifest, always the same bytes for the same content. Its media type is <see cref="MediaTypes.OciManifest"/>.</summary>
    /// <remarks>Written as text: a serialiser escapes the <c>+</c>, and the type would not be recognised.</remarks>
    /// <param name="artifactType">The media type of its kind.</param>
    /// <param name="layers">A JSON array of descriptors.</param>
    /// <param name="annotations">A JSON object of texts; null for none.</param>
    public static byte[] Write(string artifactType, string layers = "[]", string? annotations = null) => Encoding.UTF8.GetBytes(
        $$$"""{"schemaVersion":2,"mediaType":"{{{MediaTypes.OciManifest}}}","artifactType":"{{{artifactType}}}","config":{"mediaType":"{{{MediaTypes.Empty}}}","digest":"{{{EmptyDigest}}}","size":2},"layers":{{{layers}}}"""
        + (annotations is null ? "}" : $$""","annotations":{{annotations}}}"""));

    /// <summary>The artifact type of a manifest that is one of Kuik's; null for any other.</summary>
    public static string? TypeOf(ReadOnlySpan<byte> manifest)
    {
        if (manifest.IndexOf(Ours) < 0)   // nearly always: nothing is parsed
            return null;
        try
        {
            var reader = new Utf8JsonReader(manifest);
            while (reader.Read())
                if (reader.CurrentDepth == 1 && reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("artifactType"u8))
                    return reader.Read() && reader.TokenType == JsonTokenType.String && reader.ValueSpan.StartsWith(Ours)
                        ? reader.GetString()
                        : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Not JSON, or half a character in a text: none of Kuik's own. The caller verifies its digest.
        }
        return null;
    }
}
