using System.Text;
using System.Text.Json.Nodes;
using Kuik.Oci;
using Kuik.Testing;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>Manifests that are no plain images.</summary>
internal static class OddManifests
{
    /// <summary>An artifact that refers to a manifest, as cosign and oras push them: an empty configuration and one layer.</summary>
    /// <param name="subject">The digest it refers to; null for none.</param>
    /// <param name="text">The content of the layer; another one gives another artifact.</param>
    public static TestImage Artifact(string? subject, string text)
    {
        var config = new TestBlob(MediaTypes.Empty, "{}"u8.ToArray());
        var layer = new TestBlob("application/vnd.example.signature", Encoding.UTF8.GetBytes(text));
        var manifest = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = MediaTypes.OciManifest,
            ["artifactType"] = "application/vnd.example.signature",
            ["config"] = Descriptor(config),
            ["layers"] = new JsonArray(Descriptor(layer)),
        };
        if (subject is not null)
            manifest["subject"] = new JsonObject { ["mediaType"] = MediaTypes.OciManifest, ["digest"] = subject, ["size"] = 1 };
        return new TestImage("", MediaTypes.OciManifest, Encoding.UTF8.GetBytes(manifest.ToJsonString()), config, [layer]);
    }

    /// <summary>An image with its manifest changed.</summary>
    public static TestImage With(this TestImage image, Action<JsonObject> change, IReadOnlyList<TestBlob>? layers = null)
    {
        var manifest = JsonNode.Parse(image.Bytes)!.AsObject();
        change(manifest);
        return new TestImage(image.Platform, (string?)manifest["mediaType"] ?? MediaTypes.OciManifest,
            Encoding.UTF8.GetBytes(manifest.ToJsonString()), image.Config, layers ?? image.Layers);
    }

    /// <summary>An image with a manifest of exactly this many bytes.</summary>
    public static TestImage OfSize(this TestImage image, int bytes)
    {
        var padded = image.With(manifest => manifest["annotations"] = new JsonObject { ["padding"] = "" });
        return padded.With(manifest => manifest["annotations"]!["padding"] = new string('x', bytes - padded.Bytes.Length));
    }

    /// <summary>An index of any entries.</summary>
    public static byte[] Index(params JsonNode[] entries) => Encoding.UTF8.GetBytes(
        new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = MediaTypes.OciIndex,
            ["manifests"] = new JsonArray(entries)
        }.ToJsonString());

    /// <summary>An index's entry.</summary>
    /// <param name="child">The listed manifest.</param>
    /// <param name="platform">As <c>os/architecture</c>; null for none.</param>
    public static JsonObject Entry(TestImage child, string? platform)
    {
        var entry = new JsonObject { ["mediaType"] = child.MediaType, ["digest"] = child.Digest, ["size"] = child.Bytes.Length };
        if (platform?.Split('/') is [var os, var architecture])
            entry["platform"] = new JsonObject { ["os"] = os, ["architecture"] = architecture };
        return entry;
    }

    public static JsonObject Descriptor(TestBlob blob) =>
        new() { ["mediaType"] = blob.MediaType, ["digest"] = blob.Digest, ["size"] = blob.Bytes.Length };
}
