namespace Kuik.Oci;

/// <summary>The media types of manifests (OCI image-spec, media-types.md; distribution's manifest v2 schema 2).</summary>
public static class MediaTypes
{
    public const string OciManifest = "application/vnd.oci.image.manifest.v1+json";
    public const string OciIndex = "application/vnd.oci.image.index.v1+json";
    public const string DockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
    public const string DockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json";

    /// <summary>The config of an artifact (image-spec, manifest.md, "Guidance for an Empty Descriptor"): the two bytes <c>{}</c>.</summary>
    public const string Empty = "application/vnd.oci.empty.v1+json";

    /// <summary>What to accept when asking for a manifest: registries answer 404 for a type that is not named.</summary>
    public static readonly IReadOnlyList<string> Manifests = [OciIndex, OciManifest, DockerManifestList, DockerManifest];

    /// <summary>Does this type name an index of manifests (an OCI index or a Docker manifest list)?</summary>
    public static bool IsIndex(string? mediaType) => mediaType is OciIndex or DockerManifestList;
}
