using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>A manifest that Kuik wrote for itself into the cache registry, which no client is to see.</summary>
/// <param name="Wrapper">The index it holds; null for a tombstone, a checksum, or a wrapper that cannot be read.</param>
/// <param name="IsTombstone">It stands where an image was evicted.</param>
internal sealed record KeptManifest(IndexWrapper? Wrapper, bool IsTombstone)
{
    /// <summary>Reads a manifest; null when it is an image's own.</summary>
    public static KeptManifest? Parse(ReadOnlySpan<byte> manifest) => ArtifactManifest.TypeOf(manifest) switch
    {
        IndexWrapper.ArtifactType => new KeptManifest(IndexWrapper.Parse(manifest), IsTombstone: false),
        Tombstone.ArtifactType => new KeptManifest(null, IsTombstone: true),
        BlobChecksum.ArtifactType => new KeptManifest(null, IsTombstone: false),
        _ => null,
    };
}
