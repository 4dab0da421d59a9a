using System.Text.RegularExpressions;
using Kuik.Contracts;

namespace Kuik.Oci;

/// <summary>
/// The tags Kuik adds in the cache registry. Every manifest it stores has one, so that no garbage collection takes a child for loose,
/// and so that an eviction can find the stored manifests.
/// </summary>
public static partial class CacheTags
{
    private const string Held = "kuik-sha256-";
    private const string Pinned = "kuik-pin-sha256-";
    private const string CopiedReferrer = "kuik-at-";
    private const string Checking = "kuik-sum-sha256-";
    private static readonly string[] Endings = ["", ".sig", ".att", ".sbom"];

    /// <summary>On every stored manifest, and on the wrapper of an index: <c>kuik-sha256-&lt;hex&gt;</c> of the digest that the origin
    /// serves.</summary>
    public static string OfManifest(string digest) => Held + Hex(digest);

    /// <summary>The tag that keeps an image that is named by digest alone: a root like any other tag.</summary>
    public static string OfPin(string digest) => Pinned + Hex(digest);

    /// <summary>The one tag that keeps an image and that its eviction removes: its own, or a pin where it is named by digest.</summary>
    public static string OfImage(ImageReference image) => image.Tag ?? OfPin(image.Digest!);

    /// <summary>The tag or digest of the image that a tag keeps, the reverse of <see cref="OfImage"/>; null for a tag that keeps parts of
    /// images.</summary>
    public static string? TargetOf(string tag) =>
        !IsOurs(tag) ? tag : tag.StartsWith(Pinned, StringComparison.Ordinal) && tag.Length == Pinned.Length + 64 ? DigestOf(tag) : null;

    /// <summary>Where the checksum of a large blob lies: see <see cref="BlobChecksum"/>.</summary>
    public static string OfChecksum(string digest) => Checking + Hex(digest);

    /// <summary>True for a tag of <see cref="OfChecksum"/>.</summary>
    public static bool IsChecksum(string tag) => tag.StartsWith(Checking, StringComparison.Ordinal);

    /// <summary>True for a tag that only keeps a manifest, without being the name of an image.</summary>
    public static bool IsHold(string tag) => tag.StartsWith(Held, StringComparison.Ordinal);

    /// <summary>The digest behind a tag of <see cref="OfManifest"/> or <see cref="OfPin"/>; null for any other tag.</summary>
    public static string? DigestOf(string tag) =>
        IsHold(tag)
            ? "sha256:" + tag[Held.Length..]
            : tag.StartsWith(Pinned, StringComparison.Ordinal)
            ? "sha256:" + tag[Pinned.Length..]
            : null;

    /// <summary>
    /// The tags under which clients look for the referrers of a manifest: the referrers tag (distribution-spec, "Referrers Tag Schema"),
    /// first, and cosign's. None for a sha512, which cosign has no tags for.
    /// </summary>
    public static IReadOnlyList<string> OfReferrers(string digest) =>
        digest.StartsWith("sha256:", StringComparison.Ordinal) ? [.. Endings.Select(ending => digest.Replace(':', '-') + ending)] : [];

    /// <summary>
    /// The tag under which a referrer is stored that was copied with its image, for the tag of <see cref="OfReferrers"/> that clients
    /// request: never that tag itself, which is an image of its own once it is requested by name. Null for any other tag.
    /// </summary>
    public static string? OfCopiedReferrer(string tag) => ReferrerTag().IsMatch(tag) ? CopiedReferrer + tag : null;

    /// <summary>The digest of the manifest that a tag of <see cref="OfCopiedReferrer"/> belongs to; null for any other tag.</summary>
    public static string? SubjectOf(string tag) =>
        tag.StartsWith(CopiedReferrer, StringComparison.Ordinal) && OfCopiedReferrer(tag[CopiedReferrer.Length..]) is not null
            ? $"sha256:{tag.AsSpan(CopiedReferrer.Length + 7, 64)}"
            : null;

    /// <summary>True for one of Kuik's own tags, which no listing shows and no client can pull.</summary>
    public static bool IsOurs(string tag) => DigestOf(tag) is not null || SubjectOf(tag) is not null || IsChecksum(tag);

    // A tag has at most 128 characters: a sha512 (128 hex digits) is told apart by its first 100, after "512-".
    private static string Hex(string digest) => digest.StartsWith("sha256:", StringComparison.Ordinal)
        ? digest[7..]
        : "512-" + digest[7..107];

    [GeneratedRegex(@"\Asha256-[0-9a-f]{64}(\.sig|\.att|\.sbom)?\z")]
    private static partial Regex ReferrerTag();
}
