using System.IO.Hashing;
using System.Text.Json;

namespace Kuik.Oci;

/// <summary>
/// The checksum that image-fetcher stores beside a large blob whose digest it has verified; it takes a tenth of the time. With it
/// node-proxy detects damaged storage of the cache without hashing every byte again on every node. It is no protection against an attacker
/// with write access to the cache; runtimes verify the digest for that.
/// </summary>
/// <param name="Digest">Of the blob.</param>
/// <param name="Size">Of the blob, in bytes.</param>
/// <param name="Xxh128">XXH3's 128 bits over the blob, as 32 lower-case hex digits, most significant first.</param>
public sealed record BlobChecksum(string Digest, long Size, string Xxh128)
{
    /// <summary>The artifact type (OCI image-spec, manifest.md) that marks it.</summary>
    public const string ArtifactType = "application/vnd.enix.kuik.checksum.v1+json";

    /// <summary>A blob of fewer bytes is hashed in less time than its checksum takes to be asked for.</summary>
    public const long WorthIt = 4 << 20;

    /// <summary>The checksum of a running hash; it can go on.</summary>
    public static string Compute(XxHash128 running) => Convert.ToHexStringLower(running.GetCurrentHash());

    /// <summary>Its manifest, always the same bytes for the same blob. Its media type is <see cref="MediaTypes.OciManifest"/>.</summary>
    public byte[] ToManifest() => ArtifactManifest.Write(
        ArtifactType, annotations: $$"""{"digest":"{{Digest}}","size":"{{Size}}","xxh128":"{{Xxh128}}"}""");

    /// <summary>Reads a manifest; null when it is no checksum.</summary>
    public static BlobChecksum? Parse(ReadOnlySpan<byte> manifest)
    {
        if (ArtifactManifest.TypeOf(manifest) != ArtifactType)
            return null;
        try
        {
            return UntrustedJson.ParseNode(manifest)?["annotations"] is { } said
                && (string?)said["digest"] is { } digest && long.TryParse((string?)said["size"], out var size)
                && (string?)said["xxh128"] is { Length: 32 } sum
                ? new BlobChecksum(digest, size, sum)
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;   // no JSON, or something else where a text should be: not a manifest of ours
        }
    }
}
