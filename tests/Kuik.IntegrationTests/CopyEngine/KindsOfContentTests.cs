using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;
using static Kuik.IntegrationTests.CopyEngine.OddManifests;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>Content of real origins besides plain images. The origin is scripted, because distribution 2.8 refuses some of it.</summary>
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
        var attested = Entry(attestation, "unknown/unknown");
        attested["annotations"] = new JsonObject { ["vnd.docker.reference.type"] = "attestation-manifest" };
        var bytes = Index(Entry(image, "linux/amd64"), attested, Entry(unknown, null));
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
    public async Task An_entry_without_a_platform_is_fetched_ahead_where_no_other_is_the_wanted_one()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var (image, other, attestation) = (TestImage.Small(seed: 106), TestImage.Small(seed: 107), TestImage.Small(seed: 108));
        foreach (var child in new[] { image, other, attestation })
            origin.Add("team/web", child.Digest, child);
        var name = origin.AddManifest("team/web", "1", MediaTypes.OciIndex,
            Index(Entry(image, null), Entry(other, "linux/s390x"), Entry(attestation, "unknown/unknown")));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        var copied = await engine.Copy(name);

        Assert.Equal(image.Bytes, (await cache.Manifest(name, image.Digest))?.Bytes);
        Assert.Equal(["linux/amd64"], copied.MissingPlatforms);   // the index does not name it: a warning
        Assert.DoesNotContain(origin.Ledger, request => request.Target == other.Digest || request.Target == attestation.Digest);
    }

    [Fact]
    public async Task Of_the_versions_of_Windows_those_are_fetched_ahead_that_the_wanted_one_begins()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var (ltsc2019, ltsc2022) =
            (TestImage.Small(seed: 109, platform: "windows/amd64"), TestImage.Small(seed: 110, platform: "windows/amd64"));
        var entries = new List<JsonObject>();
        foreach (var (child, version) in new[] { (ltsc2019, "10.0.17763.5122"), (ltsc2022, "10.0.20348.2113") })
        {
            origin.Add("team/web", child.Digest, child);
            entries.Add(Entry(child, "windows/amd64"));
            entries[^1]["platform"]!["os.version"] = version;
            entries[^1]["platform"]!["os.features"] = new JsonArray("win32k");
        }
        var name = origin.AddManifest("team/web", "1", MediaTypes.OciIndex, Index([.. entries]));
        await using var engine = await StartEngine.Run(cache, [origin.Host], null,
            ("Kuik:Platforms:0", "windows(10.0.20348)/amd64"), ("Kuik:Platforms:1", "windows(10.0.26100)/amd64"));

        var copied = await engine.Copy(name);

        Assert.Equal(["windows(10.0.20348.2113)/amd64"], copied.Platforms);
        Assert.Equal(["windows(10.0.26100)/amd64"], copied.MissingPlatforms);
        Assert.Equal(ltsc2022.Bytes, (await cache.Manifest(name, ltsc2022.Digest))?.Bytes);
        Assert.DoesNotContain(origin.Ledger, request => request.Target == ltsc2019.Digest);
    }

    [Fact]
    public async Task An_index_in_an_index_is_kept_whole_and_goes_whole()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 103);
        origin.Add("team/web", image.Digest, image);
        var inner = Index(Entry(image, "linux/amd64"));
        origin.AddManifest("team/web", TestBlob.DigestOf(inner), MediaTypes.OciIndex, inner);
        var outer = Index(new JsonObject
        {
            ["mediaType"] = MediaTypes.OciIndex,
            ["digest"] = TestBlob.DigestOf(inner),
            ["size"] = inner.Length,
            ["platform"] = new JsonObject { ["os"] = "linux", ["architecture"] = "amd64" }
        });
        var name = origin.AddManifest("team/web", "1", MediaTypes.OciIndex, outer);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        await engine.Copy(name);
        await engine.TagEviction.Evict(ImageReference.Parse(origin.Add("team/web", "other", image)), TestContext.Current.CancellationToken);

        Assert.Equal(outer, (await cache.Manifest(name))?.Bytes);
        Assert.Equal(inner, (await cache.Manifest(name, TestBlob.DigestOf(inner)))?.Bytes);
        Assert.Equal(image.Bytes, (await cache.Manifest(name, image.Digest))?.Bytes);
        await engine.TagEviction.Evict(ImageReference.Parse(name), TestContext.Current.CancellationToken);
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

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Equal((CopyException.Cache, false), (failure.Kind, failure.RetryHelps));
        Assert.Contains("layers that are kept elsewhere", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(origin.Ledger, request => request.Target == foreign);
    }

    [Fact]
    public async Task A_manifest_of_a_kind_that_no_registry_keeps_today_is_said_to_be_one()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var name = origin.AddManifest("team/old", "1", "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "{\"schemaVersion\":1}"u8.ToArray());
        await using var engine = await StartEngine.Run(cache, [origin.Host]);

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Equal((CopyException.Broken, false), (failure.Kind, failure.RetryHelps));
        Assert.Contains("is of Docker's schema 1, which cache registries do not store", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_manifest_of_more_than_4_MiB_is_refused_with_a_clear_error_in_the_log_of_the_node_too()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var name = origin.Add("team/web", "1", TestImage.Small(seed: 111).OfSize(PullFromRegistry.LargestManifest + 1));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        var proxy = await StartNodeProxy.With(cache.Endpoint, engine.Endpoint, new Uri($"http://{origin.Host}"));
        using var client = new HttpClient { BaseAddress = proxy.Endpoint };

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));
        using var answer = await client.GetAsync(new Uri($"/v2/{CachePath.Of(ImageReference.Parse(name))}/manifests/1", UriKind.Relative),
            TestContext.Current.CancellationToken);

        Assert.Equal((CopyException.Broken, false), (failure.Kind, failure.RetryHelps));
        Assert.EndsWith("a manifest of more than 4 MiB", failure.Message, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        await Eventually.True(() => proxy.Log.Contains("a manifest of more than 4 MiB", StringComparison.Ordinal),
            "the node's log tells the reason, which clients are not told of a private host");
        Assert.Empty(await cache.Tags(name));
    }

    [Theory]
    [InlineData(IndexWrapper.ArtifactType)]
    [InlineData(Tombstone.ArtifactType)]
    [InlineData(BlobChecksum.ArtifactType)]
    public async Task What_looks_like_a_manifest_of_Kuiks_own_is_passed_on_as_it_is_and_not_kept(string artifactType)
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var bytes = ArtifactManifest.Write(artifactType);
        var name = origin.AddManifest("team/web", "1", MediaTypes.OciManifest, bytes);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        var proxy = await StartNodeProxy.With(cache.Endpoint, engine.Endpoint);
        using var client = new HttpClient { BaseAddress = proxy.Endpoint };

        var failure = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));
        var answer = await client.GetByteArrayAsync(
            new Uri($"/v2/{CachePath.Of(ImageReference.Parse(name))}/manifests/1", UriKind.Relative),
            TestContext.Current.CancellationToken);

        Assert.Equal((CopyException.Broken, false), (failure.Kind, failure.RetryHelps));
        Assert.Contains($"is no image: it has the type {artifactType} of what Kuik itself writes", failure.Message,
            StringComparison.Ordinal);
        Assert.Equal(bytes, answer);
        Assert.Empty(await cache.Tags(name));
    }
}
