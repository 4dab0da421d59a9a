using System.Text.Json;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Parses manifests and indexes, Docker's and OCI's alike.</summary>
internal static class ReadManifest
{
    /// <summary>
    /// The largest size of a descriptor, in bytes: no blob is that large, and the sum over all parts of an image does not overflow.
    /// </summary>
    private const long LargestSize = 1L << 48;

    /// <summary>The config and the layers of a manifest, each digest once.</summary>
    /// <exception cref="CopyException">The manifest is of a kind that registries no longer store.</exception>
    public static IReadOnlyList<Part> Parts(Manifest manifest) => Read(manifest, root =>
    {
        var parts = new List<Part>();
        if (root.TryGetProperty("config", out var config))
            parts.Add(PartOf(config));
        if (root.TryGetProperty("layers", out var layers))
            parts.AddRange(layers.EnumerateArray().Select(PartOf));
        return (IReadOnlyList<Part>)[.. parts.DistinctBy(part => part.Digest)];
    });

    /// <summary>The entries of an index.</summary>
    /// <exception cref="CopyException">The manifest is not an index.</exception>
    public static IReadOnlyList<IndexEntry> Entries(Manifest index) => Read(index, root =>
        (IReadOnlyList<IndexEntry>)[.. Property(root, "manifests").EnumerateArray().Select(entry =>
            new IndexEntry(DigestOf(entry), SizeOf(entry), PlatformOf(entry),
                MayBeAny: !HasPlatform(entry) && MediaTypes.Manifests.Contains(Text(entry, "mediaType"))))]);

    private static T Read<T>(Manifest manifest, Func<JsonElement, T> read)
    {
        if (MediaTypes.IsSchema1(manifest.MediaType))
            throw new CopyException(CopyException.Broken,
                $"manifest {manifest.Digest} is of Docker's schema 1, which cache registries do not store: it is pulled through only",
                retryHelps: false);
        if (!MediaTypes.Manifests.Contains(manifest.MediaType))
            throw new CopyException(CopyException.Broken,
                $"manifest {manifest.Digest} has the media type {manifest.MediaType}, which is neither Docker's schema 2 nor OCI's",
                retryHelps: false);
        try
        {
            using var json = UntrustedJson.ParseDocument(manifest.Bytes);
            return read(json.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException
            or OverflowException)
        {
            throw new CopyException(CopyException.Broken, $"manifest {manifest.Digest} cannot be read: {e.Message}", retryHelps: false,
                inner: e);
        }
    }

    private static Part PartOf(JsonElement part)
    {
        var type = part.TryGetProperty("mediaType", out var named) ? named.GetString() ?? "" : "";
        var hasAddresses = part.TryGetProperty("urls", out var urls) && urls.ValueKind == JsonValueKind.Array && urls.GetArrayLength() > 0;
        return new Part(DigestOf(part), SizeOf(part),
            hasAddresses && (type.Contains(".foreign.", StringComparison.Ordinal)
                || type.Contains(".nondistributable.", StringComparison.Ordinal)));
    }

    private static JsonElement Property(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value)
            ? value
            : throw new FormatException($"it has no property \"{name}\" where one has to be");

    private static bool HasPlatform(JsonElement entry) =>
        entry.TryGetProperty("platform", out var platform) && platform.ValueKind == JsonValueKind.Object;

    private static Platform? PlatformOf(JsonElement entry)
    {
        if (!HasPlatform(entry))
            return null;
        var platform = entry.GetProperty("platform");
        var (os, architecture) = (Text(platform, "os"), Text(platform, "architecture"));
        return os is null or "unknown" || architecture is null or "unknown"
            ? null
            : new Platform(os, architecture, Text(platform, "variant"), Text(platform, "os.version"));
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text
            ? text
            : null;

    private static string DigestOf(JsonElement part) =>
        Property(part, "digest").GetString() is { } digest && ImageReference.IsDigest(digest)
        ? digest
        : throw new FormatException($"\"{part.GetProperty("digest")}\" is not a digest");

    private static long SizeOf(JsonElement part) => Property(part, "size").GetInt64() is >= 0 and <= LargestSize and var size
        ? size
        : throw new FormatException($"a size is negative or more than {LargestSize} bytes");
}
