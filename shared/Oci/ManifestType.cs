using System.Text.Json;

namespace Kuik.Oci;

/// <summary>Finds a manifest's media type where a server does not say it.</summary>
public static class ManifestType
{
    /// <summary>The served type if it names a manifest; else what the manifest says of itself; else what it looks like (image-spec: the field is optional).</summary>
    /// <param name="served">From Content-Type; null for none.</param>
    /// <param name="manifest">The bytes.</param>
    public static string Of(string? served, ReadOnlyMemory<byte> manifest)
    {
        if (served is not null && served is not ("application/json" or "application/octet-stream" or "text/plain"))
            return served;
        try
        {
            using var json = JsonDocument.Parse(manifest);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                return served ?? MediaTypes.OciManifest;
            if (json.RootElement.TryGetProperty("mediaType", out var type) && type.ValueKind == JsonValueKind.String)
                return type.GetString()!;
            return json.RootElement.TryGetProperty("manifests", out _) ? MediaTypes.OciIndex : MediaTypes.OciManifest;
        }
        catch (JsonException)
        {
            return served ?? MediaTypes.OciManifest;   // whoever parses it will say what is wrong with it
        }
    }
}
