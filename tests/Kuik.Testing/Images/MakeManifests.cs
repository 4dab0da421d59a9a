using System.Text;
using System.Text.Json.Nodes;
using Kuik.Oci;

namespace Kuik.Testing;

/// <summary>Makes small manifests and indexes that share layers with each other, written in many ways. The same seed makes the same
/// ones.</summary>
/// <param name="random">Seeded.</param>
public sealed class MakeManifests(Random random)
{
    /// <summary>The media type of buildkit's attachments to an index: such a child is listed for the platform unknown/unknown.</summary>
    public const string Attestation = "application/vnd.in-toto+json";

    private readonly List<byte[]> shared = [];

    /// <summary>An image of one platform.</summary>
    /// <param name="layers">Null: one to three, some of them shared with other images.</param>
    /// <param name="config">Null: one of its own.</param>
    /// <param name="format">Media types.</param>
    /// <param name="change">Of the manifest before it is written.</param>
    public CorpusManifest Image(IReadOnlyList<TestBlob>? layers, TestBlob? config = null, ImageFormat format = ImageFormat.Oci,
        Action<JsonObject>? change = null)
    {
        layers ??= [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Layer(format))];
        config ??= new TestBlob(
            format == ImageFormat.Oci ? "application/vnd.oci.image.config.v1+json" : "application/vnd.docker.container.image.v1+json",
            Encoding.UTF8.GetBytes(
                $$$"""{"architecture":"amd64","os":"linux","number":{{{random.NextInt64()}}},"rootfs":{"type":"layers","diff_ids":[]}}"""));
        var mediaType = format == ImageFormat.Oci ? MediaTypes.OciManifest : MediaTypes.DockerManifest;
        var manifest = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = mediaType,
            ["config"] = config.Descriptor(),
            ["layers"] = new JsonArray([.. layers.Select(layer => layer.Descriptor())]),
        };
        change?.Invoke(manifest);
        return new CorpusManifest(mediaType, Odd.Json(manifest, random), [.. layers.Prepend(config).DistinctBy(blob => blob.Digest)], []);
    }

    /// <summary>An image of one platform with one to three layers.</summary>
    public CorpusManifest Image(ImageFormat format = ImageFormat.Oci, Action<JsonObject>? change = null) =>
        Image(null, null, format, change);

    /// <summary>An index or manifest list.</summary>
    /// <param name="entries">Its entries.</param>
    /// <param name="format">Media types.</param>
    /// <param name="change">Changes the index before it is written.</param>
    public CorpusManifest Index(IReadOnlyList<CorpusEntry> entries, ImageFormat format = ImageFormat.Oci, Action<JsonObject>? change = null)
    {
        var mediaType = format == ImageFormat.Oci ? MediaTypes.OciIndex : MediaTypes.DockerManifestList;
        var index = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = mediaType,
            ["manifests"] = new JsonArray([.. entries.Select(Entry)]),
        };
        change?.Invoke(index);
        return new CorpusManifest(mediaType, Odd.Json(index, random), [], entries);
    }

    private static JsonNode Entry(CorpusEntry entry)
    {
        var json = new JsonObject
        { ["mediaType"] = entry.Manifest.MediaType, ["digest"] = entry.Manifest.Digest, ["size"] = entry.Manifest.Bytes.Length };
        var isAttestation = entry.Platform is null && entry.Manifest.Blobs.Any(blob => blob.MediaType == Attestation);
        if (entry.Platform?.Split('/') is [var os, var architecture, .. var variant])
        {
            json["platform"] = new JsonObject { ["architecture"] = architecture, ["os"] = os };
            if (variant is [var only])
                json["platform"]!["variant"] = only;
            if (os == "windows")
                json["platform"]!["os.version"] = "10.0.17763.2114";
        }
        else if (isAttestation)
        {
            json["annotations"] = new JsonObject { ["vnd.docker.reference.type"] = "attestation-manifest" };
            json["platform"] = new JsonObject { ["architecture"] = "unknown", ["os"] = "unknown" };
        }
        return json;
    }

    /// <summary>A layer of the usual media type.</summary>
    public TestBlob Layer(ImageFormat format) =>
        Layer(format == ImageFormat.Oci
            ? "application/vnd.oci.image.layer.v1.tar+gzip"
            : "application/vnd.docker.image.rootfs.diff.tar.gzip");

    /// <summary>A layer of up to 10 kB. Every third one has bytes that another image has too.</summary>
    public TestBlob Layer(string mediaType)
    {
        if (shared.Count > 5 && random.Next(3) == 0)
            return new TestBlob(mediaType, shared[random.Next(shared.Count)]);
        var bytes = RandomBytes(random.Next(1, 10_000));
        if (random.Next(3) == 0)
            shared.Add(bytes);
        return new TestBlob(mediaType, bytes);
    }

    /// <summary>A number of random bytes.</summary>
    public byte[] RandomBytes(int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }
}
