using System.Buffers.Text;
using System.Text.Json;

namespace Kuik.Oci;

/// <summary>
/// The digest of a manifest: that of its bytes; of a signed one of Docker's schema 1 that of the payload, without the signatures that were
/// added to it (distribution, manifest-v2-1.md, "Signed Manifests").
/// </summary>
public static class ManifestDigest
{
    /// <summary>True when the bytes match the digest.</summary>
    public static bool Fits(string digest, ReadOnlySpan<byte> manifest) =>
        Digest.Compute(manifest, digest) == digest || (Payload(manifest) is { } payload && Digest.Compute(payload, digest) == digest);

    /// <summary>The digest that a registry gives these bytes, a sha256.</summary>
    public static string Compute(ReadOnlySpan<byte> manifest) =>
        Payload(manifest) is { } payload ? Digest.Sha256(payload) : Digest.Sha256(manifest);

    /// <summary>
    /// The signed payload of a signed manifest; null when it is none. Each of them says how its payload began and ended.
    /// </summary>
    private static byte[]? Payload(ReadOnlySpan<byte> manifest)
    {
        if (manifest.IndexOf("\"signatures\""u8) < 0 || manifest.IndexOf("\"fsLayers\""u8) < 0)   // nearly always: nothing is parsed
            return null;
        try
        {
            using var json = UntrustedJson.ParseDocument(manifest.ToArray());
            var header = json.RootElement.GetProperty("signatures")[0].GetProperty("protected").GetString();
            using var format = UntrustedJson.ParseDocument(Base64Url.DecodeFromChars(header));
            var length = format.RootElement.GetProperty("formatLength").GetInt32();
            var tail = Base64Url.DecodeFromChars(format.RootElement.GetProperty("formatTail").GetString());
            return length >= 0 && length <= manifest.Length ? [.. manifest[..length], .. tail] : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException
            or FormatException or IndexOutOfRangeException)
        {
            return null;   // signed in no way that registries know
        }
    }
}
