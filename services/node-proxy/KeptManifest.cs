using System.Text.Json;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>A manifest that Kuik wrote for itself into the cache registry, which no client is to see.</summary>
/// <param name="Wrapper">The index it holds; null for a tombstone, a checksum, or a wrapper that cannot be read.</param>
/// <param name="IsTombstone">It stands where an image was evicted.</param>
internal sealed record KeptManifest(IndexWrapper? Wrapper, bool IsTombstone)
{
    private static ReadOnlySpan<byte> Ours => "application/vnd.enix.kuik."u8;

    /// <summary>Reads a manifest; null when it is an image's own.</summary>
    public static KeptManifest? Read(ReadOnlySpan<byte> manifest)
    {
        if (manifest.IndexOf(Ours) < 0)   // nearly always: nothing is parsed
            return null;
        return ArtifactType(manifest) switch
        {
            IndexWrapper.ArtifactType => new KeptManifest(IndexWrapper.Read(manifest), IsTombstone: false),
            AskCache.TombstoneType => new KeptManifest(null, IsTombstone: true),
            BlobChecksum.ArtifactType => new KeptManifest(null, IsTombstone: false),
            _ => null,
        };
    }

    private static string? ArtifactType(ReadOnlySpan<byte> manifest)
    {
        try
        {
            var reader = new Utf8JsonReader(manifest);
            while (reader.Read())
                if (reader.CurrentDepth == 1 && reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("artifactType"u8))
                    return reader.Read() && reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
        }
        catch (JsonException)
        {
            // Not JSON: nothing of ours. Whether it is what was asked for, its digest says.
        }
        return null;
    }
}
