using System.Text;
using System.Text.Json.Nodes;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>What real origins serve besides plain images. The origin is scripted, because distribution 2.8 refuses some of it.</summary>
public class KindsOfContentTests
{
    [Fact]
    public async Task Attestations_and_entries_without_a_platform_are_listed_and_not_fetched_ahead()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var (image, attestation, unknown) = (TestImage.Small(seed: 100), TestImage.Small(seed: 101), TestImage.Small(seed: 102));
        foreach (var child in new[] { image, attestation, unknown })
            origin.Add("team/web", child.Digest, child);
        var bytes = Index(
            Entry(image, new JsonObject { ["os"] = "linux", ["architecture"] = "amd64" }),
            Entry(attestation, new JsonObject { ["os"] = "unknown", ["architecture"] = "unknown" }, new JsonObject { ["vnd.docker.reference.type"] = "attestation-manifest" }),
            Entry(unknown, null));
        var name = origin.AddManifest("team/web", "1", MediaTypes.OciIndex, bytes);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        var copied = await engine.Copy(name);

        Assert.Equal(bytes, (await cache.Manifest(name))?.Bytes);
        Assert.Equal(image.Bytes, (await cache.Manifest(name, image.Digest))?.Bytes);
        Assert.Equal(["linux/amd64"], copied.Platforms);
        Assert.Empty(copied.MissingPlatforms);
        Assert.DoesNotContain(origin.Ledger, request => request.Target == attestation.Digest || request.Target == unknown.Digest);
    }

    [Fact]
    public async Task An_index_in_an_index_is_kept_whole_and_goes_whole()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 103);
        origin.Add("team/web", image.Digest, image);
        var amd64 = new JsonObject { ["os"] = "linux", ["architecture"] = "amd64" };
        var inner = Index(Entry(image, amd64));
        origin.AddManifest("team/web", TestBlob.DigestOf(inner), MediaTypes.OciIndex, inner);
        var outer = Index(new JsonObject { ["mediaType"] = MediaTypes.OciIndex, ["digest"] = TestBlob.DigestOf(inner), ["size"] = inner.Length, ["platform"] = amd64.DeepClone() });
        var name = origin.AddManifest("team/web", "1", MediaTypes.OciIndex, outer);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        await engine.Copy(name);
        await engine.EvictImage.Run(Kuik.Contracts.ImageReference.Parse(origin.Add("team/web", "other", image)), TestContext.Current.CancellationToken);

        Assert.Equal(outer, (await cache.Manifest(name))?.Bytes);
        Assert.Equal(inner, (await cache.Manifest(name, TestBlob.DigestOf(inner)))?.Bytes);
        Assert.Equal(image.Bytes, (await cache.Manifest(name, image.Digest))?.Bytes);
        await engine.EvictImage.Run(Kuik.Contracts.ImageReference.Parse(name), TestContext.Current.CancellationToken);
        Assert.Empty(await cache.Tags(name));
    }

    [Fact]
    public async Task A_layer_without_bytes_and_an_image_without_layers_are_copied()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var (none, same) = (TestImage.Of([]), TestImage.Of([TestLayer.Random(104, 0), TestLayer.Random(104, 0)]));
        var (first, second) = (await origin.Push("team/none", "1", none), await origin.Push("team/same", "1", same));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        await engine.Copy(first);
        await engine.Copy(second);

        await cache.AssertHas(first, none);
        await cache.AssertHas(second, same);
    }

    [Fact]
    public async Task A_foreign_layer_is_not_asked_for_and_a_cache_that_does_not_allow_its_address_says_so()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 105);
        var foreign = TestBlob.DigestOf("on another server"u8);
        var manifest = JsonNode.Parse(image.Bytes)!.AsObject();
        manifest["mediaType"] = MediaTypes.DockerManifest;
        manifest["layers"]!.AsArray().Add((JsonNode)new JsonObject
        {
            ["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            ["digest"] = foreign,
            ["size"] = 17,
            ["urls"] = new JsonArray("https://layers.example/base"),
        });
        origin.Add("team/windows", "parts", image);
        var name = origin.AddManifest("team/windows", "1", MediaTypes.DockerManifest, Encoding.UTF8.GetBytes(manifest.ToJsonString()));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        var failure = await Assert.ThrowsAsync<CopyFailed>(() => engine.Copy(name));

        Assert.Equal((CopyFailed.Cache, false), (failure.Kind, failure.RetryHelps));
        Assert.Contains("layers that are kept elsewhere", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(origin.Ledger, request => request.Target == foreign);
    }

    [Fact]
    public async Task A_manifest_of_a_kind_that_no_registry_keeps_today_is_said_to_be_one()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var name = origin.AddManifest("team/old", "1", "application/vnd.docker.distribution.manifest.v1+prettyjws", "{\"schemaVersion\":1}"u8.ToArray());
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        var failure = await Assert.ThrowsAsync<CopyFailed>(() => engine.Copy(name));

        Assert.Equal((CopyFailed.Broken, false), (failure.Kind, failure.RetryHelps));
        Assert.Contains("neither Docker's schema 2 nor OCI's", failure.Message, StringComparison.Ordinal);
    }

    private static byte[] Index(params JsonNode[] entries) => Encoding.UTF8.GetBytes(
        new JsonObject { ["schemaVersion"] = 2, ["mediaType"] = MediaTypes.OciIndex, ["manifests"] = new JsonArray(entries) }.ToJsonString());

    private static JsonObject Entry(TestImage child, JsonObject? platform, JsonObject? annotations = null)
    {
        var entry = new JsonObject { ["mediaType"] = child.MediaType, ["digest"] = child.Digest, ["size"] = child.Bytes.Length };
        if (platform is not null)
            entry["platform"] = platform.DeepClone();
        if (annotations is not null)
            entry["annotations"] = annotations;
        return entry;
    }
}
