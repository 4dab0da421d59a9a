using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.Oci;

namespace Kuik.Testing;

/// <summary>The families of media types of images.</summary>
public enum ImageFormat
{
    Oci,
    Docker,
}

/// <summary>A real image of one platform, with the exact bytes that a registry must serve.</summary>
/// <param name="Platform"><c>os/architecture[/variant]</c>.</param>
/// <param name="MediaType">Of the manifest.</param>
/// <param name="Bytes">The manifest.</param>
/// <param name="Config">Its config.</param>
/// <param name="Layers">Its layers, lowest first.</param>
public sealed record TestImage(string Platform, string MediaType, byte[] Bytes, TestBlob Config, IReadOnlyList<TestBlob> Layers)
{
    /// <summary>Of the manifest.</summary>
    public string Digest { get; } = TestBlob.DigestOf(Bytes);

    /// <summary>Config and layers.</summary>
    public IEnumerable<TestBlob> Blobs => Layers.Prepend(Config);

    /// <summary>Builds one.</summary>
    /// <param name="layers">Lowest first.</param>
    /// <param name="platform"><c>os/architecture[/variant]</c>.</param>
    /// <param name="format">Media types.</param>
    public static TestImage Of(IReadOnlyList<TestLayer> layers, string platform = "linux/amd64", ImageFormat format = ImageFormat.Oci)
    {
        var isOci = format == ImageFormat.Oci;
        var config = new TestBlob(
            isOci
                ? "application/vnd.oci.image.config.v1+json"
                : "application/vnd.docker.container.image.v1+json", ConfigOf(layers, platform));
        TestBlob[] blobs = [.. layers.Select(layer => new TestBlob(
            isOci ? "application/vnd.oci.image.layer.v1.tar+gzip" : "application/vnd.docker.image.rootfs.diff.tar.gzip", layer.Bytes))];
        var mediaType = isOci ? MediaTypes.OciManifest : MediaTypes.DockerManifest;
        var manifest = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = mediaType,
            ["config"] = config.Descriptor(),
            ["layers"] = new JsonArray([.. blobs.Select(blob => blob.Descriptor())]),
        };
        return new TestImage(platform, mediaType, Odd.Json(manifest), config, blobs);
    }

    /// <summary>One that runs: busybox below, a file <c>/platform</c> of its own, and random bytes.</summary>
    /// <param name="seed">Another one gives another image.</param>
    /// <param name="size">Of the random bytes.</param>
    /// <param name="platform">As in <see cref="Of"/>.</param>
    /// <param name="format">As in <see cref="Of"/>.</param>
    public static TestImage Runnable(int seed, int size = 100_000, string platform = "linux/amd64", ImageFormat format = ImageFormat.Oci) =>
        Of([TestLayer.Busybox, TestLayer.Text("platform", $"{platform} {seed}\n"), TestLayer.Random(seed, size)], platform, format);

    /// <summary>One small to copy: a text file and random bytes, without anything to run.</summary>
    /// <inheritdoc cref="Runnable"/>
    public static TestImage Small(int seed, int size = 10_000, string platform = "linux/amd64", ImageFormat format = ImageFormat.Oci) =>
        Of([TestLayer.Text("platform", $"{platform} {seed}\n"), TestLayer.Random(seed, size)], platform, format);

    private static byte[] ConfigOf(IReadOnlyList<TestLayer> layers, string platform)
    {
        var parts = platform.Split('/');
        var config = new JsonObject
        {
            ["created"] = "2020-01-01T00:00:00Z",
            ["os"] = parts[0],
            ["architecture"] = parts[1],
            ["config"] = new JsonObject { ["Cmd"] = new JsonArray("/bin/sh"), ["Env"] = new JsonArray("PATH=/bin") },
            ["rootfs"] = new JsonObject
            { ["type"] = "layers", ["diff_ids"] = new JsonArray([.. layers.Select(layer => JsonValue.Create(layer.DiffId))]) },
            ["history"] = new JsonArray(
                [.. layers.Select(_ => new JsonObject { ["created"] = "2020-01-01T00:00:00Z", ["created_by"] = "kuik tests" })]),
        };
        if (parts is [_, _, var variant])
            config["variant"] = variant;
        return JsonSerializer.SerializeToUtf8Bytes(config);
    }
}
