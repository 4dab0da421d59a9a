using System.Text.Json;
using System.Text.Json.Nodes;

namespace Kuik.Oci;

/// <summary>
/// The wrapper of an index in a registry that refuses indexes with missing children (distribution 2.8): a small artifact manifest whose
/// only layer is the index, byte for byte. image-fetcher writes it, node-proxy unwraps it. No other blob is served as a manifest.
/// </summary>
/// <param name="Digest">Digest of the index.</param>
/// <param name="MediaType">The index's own media type.</param>
/// <param name="Size">Its size in bytes.</param>
public sealed record IndexWrapper(string Digest, string MediaType, long Size)
{
    /// <summary>The artifact type (OCI image-spec, manifest.md) that marks a wrapper.</summary>
    public const string ArtifactType = "application/vnd.enix.kuik.index.v1+json";

    /// <summary>The wrapper's manifest, always the same bytes for the same index. Its media type is
    /// <see cref="MediaTypes.OciManifest"/>.</summary>
    public byte[] ToManifest() => ArtifactManifest.Write(
        ArtifactType, layers: $$"""[{"mediaType":"{{MediaType}}","digest":"{{Digest}}","size":{{Size}}}]""");

    /// <summary>Reads a manifest; null when it is not a wrapper.</summary>
    public static IndexWrapper? Parse(ReadOnlySpan<byte> manifest)
    {
        if (ArtifactManifest.TypeOf(manifest) != ArtifactType)
            return null;
        try
        {
            return UntrustedJson.ParseNode(manifest)?["layers"] is JsonArray { Count: 1 } layers && layers[0] is { } index
                && (string?)index["digest"] is { } digest && (string?)index["mediaType"] is { } type && MediaTypes.IsIndex(type)
                && (long?)index["size"] is { } size
                ? new IndexWrapper(digest, type, size)
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            return null;   // no JSON, or something else where a text or a number should be: not a manifest of ours
        }
    }
}
