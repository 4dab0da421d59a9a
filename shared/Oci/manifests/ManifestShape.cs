using System.Text.Json;

namespace Kuik.Oci;

/// <summary>
/// The members of the outermost object of a manifest: enough to know its media type where a server says it wrongly or not at all.
/// </summary>
public sealed record ManifestShape
{
    /// <summary>Its <c>mediaType</c>; null when it has none (image-spec: the field is optional), or an invalid one.</summary>
    private string? MediaType { get; init; }

    private bool HasManifests { get; init; }

    /// <summary>A configuration or layers.</summary>
    private bool HasParts { get; init; }

    /// <summary>The layers of schema 1.</summary>
    private bool HasFileLayers { get; init; }

    private bool IsSigned { get; init; }

    /// <summary>Reads a manifest; null when it is no JSON object.</summary>
    public static ManifestShape? Parse(ReadOnlySpan<byte> manifest)
    {
        try
        {
            var reader = new Utf8JsonReader(manifest);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return null;
            var shape = new ManifestShape();
            while (reader.Read())
                if (reader.TokenType == JsonTokenType.PropertyName)
                    shape = shape.WithProperty(ref reader);
            return shape;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;   // no JSON, or half a character in a text
        }
    }

    /// <summary>
    /// The media type: the manifest's own field; else the served Content-Type, where it fits; else by the manifest's shape.
    /// </summary>
    /// <param name="served">From Content-Type; null for none.</param>
    /// <returns>Null when it is no manifest.</returns>
    public string? TypeFor(string? served)
    {
        var known = MediaTypes.OfManifest(served);
        var schema1 = IsSigned ? MediaTypes.DockerSchema1Signed : MediaTypes.DockerSchema1;
        return MediaTypes.OfManifest(MediaType)
            ?? (HasFileLayers && !HasParts ? MediaTypes.IsSchema1(known) ? known : schema1
            // Docker's types are always named in the manifest as well: without one it is OCI's, also when another type was served.
            : HasManifests ? MediaTypes.OciIndex
            : HasParts ? MediaTypes.OciManifest
            : known ?? (MediaType is not null && MediaType.Equals(served, StringComparison.OrdinalIgnoreCase) ? MediaType : null));
    }

    private ManifestShape WithProperty(ref Utf8JsonReader reader)
    {
        var isType = reader.ValueTextEquals("mediaType"u8);
        var shape = reader.ValueTextEquals("manifests"u8) ? this with { HasManifests = true }
            : reader.ValueTextEquals("config"u8) || reader.ValueTextEquals("layers"u8) ? this with { HasParts = true }
            : reader.ValueTextEquals("fsLayers"u8) ? this with { HasFileLayers = true }
            : reader.ValueTextEquals("signatures"u8) ? this with { IsSigned = true }
            : this;
        reader.Read();
        if (isType && reader.TokenType == JsonTokenType.String && reader.GetString() is { } type && MediaTypes.IsWellFormed(type))
            shape = shape with { MediaType = type };
        reader.Skip();
        return shape;
    }
}
