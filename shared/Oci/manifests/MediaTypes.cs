using System.Text.RegularExpressions;

namespace Kuik.Oci;

/// <summary>The media types of manifests (OCI image-spec, media-types.md; distribution's manifest v2 schema 2).</summary>
public static partial class MediaTypes
{
    public const string OciManifest = "application/vnd.oci.image.manifest.v1+json";
    public const string OciIndex = "application/vnd.oci.image.index.v1+json";
    public const string DockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
    public const string DockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json";

    /// <summary>Docker's manifest v2 schema 1: passed through as it is. Cache registries do not store it any more.</summary>
    public const string DockerSchema1 = "application/vnd.docker.distribution.manifest.v1+json";

    /// <summary>The same with signatures, which its digest is not of: see <see cref="ManifestDigest"/>.</summary>
    public const string DockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";

    /// <summary>The config of an artifact (image-spec, manifest.md, "Guidance for an Empty Descriptor"): the two bytes <c>{}</c>.</summary>
    public const string Empty = "application/vnd.oci.empty.v1+json";

    /// <summary>The Accept header of a request for a manifest: registries answer 404 for a type that is not named.</summary>
    public static readonly IReadOnlyList<string> Manifests = [OciIndex, OciManifest, DockerManifestList, DockerManifest];

    /// <summary>
    /// The same at origins. Schema 1 comes last, as with other clients: a registry that has the image in two forms sends the other one.
    /// </summary>
    public static readonly IReadOnlyList<string> OriginManifests = [.. Manifests, DockerSchema1Signed, DockerSchema1];

    /// <summary>True for the type of an index of manifests (an OCI index or a Docker manifest list).</summary>
    public static bool IsIndex(string? mediaType) => mediaType is OciIndex or DockerManifestList;

    /// <summary>True for the type of a manifest of schema 1.</summary>
    public static bool IsSchema1(string? mediaType) => mediaType is DockerSchema1 or DockerSchema1Signed;

    /// <summary>
    /// The type as it is written here, where it is one of a manifest's; null for any other. Media types are compared without case (RFC 9110
    /// section 8.3.1).
    /// </summary>
    public static string? OfManifest(string? mediaType)
    {
        if (mediaType is not null)
            foreach (var known in OriginManifests)
                if (known.Equals(mediaType, StringComparison.OrdinalIgnoreCase))
                    return known;
        return null;
    }

    /// <summary>True for a media type: <c>type/subtype</c> of restricted names (RFC 6838 section 4.2), without parameters.</summary>
    public static bool IsWellFormed(string mediaType) => RestrictedNames().IsMatch(mediaType);

    [GeneratedRegex("^[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}/[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}\\z")]
    private static partial Regex RestrictedNames();
}
