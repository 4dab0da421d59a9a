using System.Text.Json.Nodes;
using Kuik.Oci;

namespace Kuik.Testing;

/// <summary>A real multi-platform image: an OCI index or a Docker manifest list, with the exact bytes that a registry must serve.</summary>
/// <param name="MediaType">The index's media type.</param>
/// <param name="Bytes">The index.</param>
/// <param name="Children">Its images, in order.</param>
public sealed record TestIndex(string MediaType, byte[] Bytes, IReadOnlyList<TestImage> Children)
{
    public string Digest { get; } = TestBlob.DigestOf(Bytes);

    /// <summary>Builds one of images.</summary>
    public static TestIndex Of(IReadOnlyList<TestImage> children, ImageFormat format = ImageFormat.Oci)
    {
        var mediaType = format == ImageFormat.Oci ? MediaTypes.OciIndex : MediaTypes.DockerManifestList;
        var index = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = mediaType,
            ["manifests"] = new JsonArray([.. children.Select(Entry)]),
        };
        return new TestIndex(mediaType, Odd.Json(index), children);
    }

    /// <summary>One that runs, for linux/amd64 and linux/arm64, with the same lowest layer and otherwise different content.</summary>
    /// <inheritdoc cref="TestImage.Runnable"/>
    public static TestIndex Runnable(int seed, int size = 100_000, ImageFormat format = ImageFormat.Oci) =>
        Of([TestImage.Runnable(seed, size, "linux/amd64", format), TestImage.Runnable(seed + 500_000, size, "linux/arm64", format)],
            format);

    /// <summary>One small to copy, for linux/amd64 and linux/arm64, without anything to run.</summary>
    /// <inheritdoc cref="TestImage.Small"/>
    public static TestIndex Small(int seed, int size = 10_000, ImageFormat format = ImageFormat.Oci) =>
        Of([TestImage.Small(seed, size, "linux/amd64", format), TestImage.Small(seed + 500_000, size, "linux/arm64", format)], format);

    /// <summary>The image of one platform.</summary>
    public TestImage Child(string platform) => Children.Single(child => child.Platform == platform);

    private static JsonObject Entry(TestImage child)
    {
        var parts = child.Platform.Split('/');
        var platform = new JsonObject { ["architecture"] = parts[1], ["os"] = parts[0] };
        if (parts is [_, _, var variant])
            platform["variant"] = variant;
        return new JsonObject
        { ["mediaType"] = child.MediaType, ["digest"] = child.Digest, ["size"] = child.Bytes.Length, ["platform"] = platform };
    }
}
