namespace Kuik.Oci;

/// <summary>
/// The manifest that image-fetcher puts under a tag of a registry that deletes manifests by digest only (distribution 2.8), to delete it in
/// the next step: no other tag has these bytes, so that this one goes alone. Where one is left over by a crash, its image counts as absent.
/// </summary>
/// <param name="Repository">The path in the cache registry.</param>
/// <param name="Tag">The tag that is removed.</param>
public sealed record Tombstone(string Repository, string Tag)
{
    /// <summary>The artifact type (OCI image-spec, manifest.md) that marks it.</summary>
    public const string ArtifactType = "application/vnd.enix.kuik.tombstone.v1+json";

    /// <summary>Its manifest, always the same bytes for the same tag. Its media type is <see cref="MediaTypes.OciManifest"/>.</summary>
    public byte[] ToManifest() => ArtifactManifest.Write(ArtifactType, annotations: $$"""{"removed":"{{Repository}}:{{Tag}}"}""");
}
