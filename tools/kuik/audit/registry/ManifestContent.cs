using System.Text.Json;
using Kuik.Oci;

namespace Kuik.CommandLine.Audit;

/// <summary>The parts that a manifest or index names and that the cache registry has to have.</summary>
/// <param name="Children">Digests of manifests, of an index; with the platform, as events name it, null for none.</param>
/// <param name="Blobs">Digests of config and layers, without those that registries do not store.</param>
internal sealed record ManifestContent(IReadOnlyList<(string Digest, string? Platform)> Children, IReadOnlyList<string> Blobs)
{
    /// <summary>Reads a manifest; null when it is none.</summary>
    public static ManifestContent? Read(Manifest manifest)
    {
        try
        {
            using var json = UntrustedJson.ParseDocument(manifest.Bytes);
            var root = json.RootElement;
            if (MediaTypes.IsIndex(manifest.MediaType))
                return new ManifestContent([.. ListOf(root, "manifests").Select(one => (DigestOf(one), PlatformOf(one)))], []);
            var parts = ListOf(root, "layers").Where(layer => !IsForeign(layer));
            return new ManifestContent([], [.. (root.TryGetProperty("config", out var config) ? parts.Prepend(config) : parts)
                .Select(DigestOf).Distinct()]);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return null;
        }
    }

    private static JsonElement.ArrayEnumerator ListOf(JsonElement element, string name) =>
        element.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array ? list.EnumerateArray() : default;

    private static string DigestOf(JsonElement part) => part.GetProperty("digest").GetString() ?? "";

    // A layer that is only at addresses of its own.
    private static bool IsForeign(JsonElement layer) => ListOf(layer, "urls").Any()
        && Text(layer, "mediaType") is { } type && (type.Contains(".foreign.", StringComparison.Ordinal)
            || type.Contains(".nondistributable.", StringComparison.Ordinal));

    private static string? PlatformOf(JsonElement entry)
    {
        if (!entry.TryGetProperty("platform", out var platform) || platform.ValueKind != JsonValueKind.Object)
            return null;
        var (version, variant) = (Text(platform, "os.version"), Text(platform, "variant"));
        return $"{Text(platform, "os")}{(version is null ? "" : $"({version})")}/{Text(platform, "architecture")}"
            + (variant is null ? "" : "/" + variant);
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text
            ? text
            : null;
}
