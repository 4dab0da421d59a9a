using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;
using static Kuik.IntegrationTests.CopyEngine.OddManifests;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>A cache and a node-proxy that knows nothing else: what it serves, the cache holds.</summary>
public sealed class CacheAndProxy : IAsyncLifetime
{
    public Registry Cache { get; private set; } = null!;

    public KuikService Proxy { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Cache = await Registry.Start(new RegistryOptions { ForeignLayersAt = "^https://layers\\.example/" });
        Proxy = await StartNodeProxy.With(Cache.Endpoint);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>
/// Every kind of content, copied and then served by node-proxy with the origin stopped: by tag, by digest, by the digests of children, byte
/// for byte. The origin is scripted, because distribution 2.8 refuses some of them.
/// </summary>
public sealed class KindsThroughNodeProxyTests(CacheAndProxy servers) : IClassFixture<CacheAndProxy>
{
    private const string Foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

    /// <summary>Of each kind: its root, then what is kept below it.</summary>
    private static readonly Dictionary<string, Func<object[]>> Kinds = new()
    {
        ["an OCI manifest"] = () => [TestImage.Small(130)],
        ["a Docker manifest"] = () => [TestImage.Small(131, format: ImageFormat.Docker)],
        ["an OCI manifest that does not say its type"] = () => [TestImage.Small(132).With(manifest => manifest.Remove("mediaType"))],
        ["an OCI index"] = () => OfIndex(TestIndex.Small(133)),
        ["a Docker manifest list"] = () => OfIndex(TestIndex.Small(134, format: ImageFormat.Docker)),
        ["an index with an attestation"] = () =>
            OfChild(TestImage.Small(135), child => Index(Entry(child, "linux/amd64"), Entry(TestImage.Small(136), "unknown/unknown"))),
        ["an index without platforms"] = () => OfChild(TestImage.Small(137), child => Index(Entry(child, null))),
        ["an index in an index"] = () => Nested(TestImage.Small(138)),
        ["an artifact with a subject"] = () => [Artifact("sha256:" + new string('a', 64), "of kinds")],
        ["an image without layers"] = () => [TestImage.Of([])],
        ["the empty descriptor as the layer"] = () => [Artifact(null, "{}")],
        ["a foreign layer"] = () => [TestImage.Small(139, format: ImageFormat.Docker).With(AddForeignLayer)],
        ["a zstd layer"] = () => [OfZstd()],
        ["a manifest of 4 MiB"] = () => [TestImage.Small(140).OfSize(PullFromRegistry.LargestManifest)],
        ["an index of 4 MiB"] = () =>
            OfChild(TestImage.Small(141), child => Padded(Index(Entry(child, "linux/amd64")), PullFromRegistry.LargestManifest)),
    };

    public static TheoryData<string> Names => [.. Kinds.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Is_pulled_byte_for_byte_with_the_origin_stopped(string kind)
    {
        var origin = await ScriptedOrigin.Start();
        var contents = Kinds[kind]();
        // Its own: another kind's origin may have had this port, and the cache has its image still.
        var repository = "team/" + kind.Replace(' ', '-').ToLowerInvariant();
        foreach (var content in contents)
            AddTo(origin, repository, content);
        var (rootType, rootBytes) = Manifest(contents[0]);
        var name = origin.AddManifest(repository, "1", rootType, rootBytes);
        await using (var engine = await StartEngine.Run(servers.Cache, [origin.Host]))
            await engine.Copy(name);
        await origin.DisposeAsync();

        await AssertServed(name, "manifests/1", rootType, rootBytes);
        foreach (var content in contents)
        {
            var (type, bytes) = Manifest(content);
            await AssertServed(name, "manifests/" + TestBlob.DigestOf(bytes), type, bytes);
            foreach (var blob in content is TestImage image ? image.Blobs : [])
                await AssertServed(name, "blobs/" + blob.Digest, null, blob.Bytes);
        }
    }

    private static void AddTo(ScriptedOrigin origin, string repository, object content)
    {
        if (content is TestImage image)
            origin.Add(repository, image.Digest, image);
        var (type, bytes) = Manifest(content);
        origin.AddManifest(repository, TestBlob.DigestOf(bytes), type, bytes);
    }

    private async Task AssertServed(string name, string path, string? mediaType, byte[] bytes)
    {
        using var client = new HttpClient { BaseAddress = servers.Proxy.Endpoint };
        using var answer = await client.GetAsync(new Uri($"/v2/{CachePath.Of(ImageReference.Parse(name))}/{path}", UriKind.Relative),
            TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(bytes, await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
        if (mediaType is not null)
            Assert.Equal((mediaType, TestBlob.DigestOf(bytes)),
                (answer.Content.Headers.ContentType?.MediaType, answer.Headers.GetValues("Docker-Content-Digest").Single()));
    }

    private static (string MediaType, byte[] Bytes) Manifest(object content) => content switch
    {
        TestImage image => (image.MediaType, image.Bytes),
        TestIndex index => (index.MediaType, index.Bytes),
        byte[] index => (MediaTypes.OciIndex, index),
        _ => throw new NotSupportedException(),
    };

    private static object[] OfIndex(TestIndex index) => [index, index.Child("linux/amd64")];

    private static object[] OfChild(TestImage child, Func<TestImage, byte[]> index) => [index(child), child];

    private static object[] Nested(TestImage child)
    {
        var inner = Index(Entry(child, "linux/amd64"));
        var entry = new JsonObject
        {
            ["mediaType"] = MediaTypes.OciIndex,
            ["digest"] = TestBlob.DigestOf(inner),
            ["size"] = inner.Length,
            ["platform"] = new JsonObject { ["os"] = "linux", ["architecture"] = "amd64" }
        };
        return [Index(entry), inner, child];
    }

    private static void AddForeignLayer(JsonObject manifest) => manifest["layers"]!.AsArray().Add((JsonNode)new JsonObject
    {
        ["mediaType"] = Foreign,
        ["digest"] = TestBlob.DigestOf("on another server"u8),
        ["size"] = 17,
        ["urls"] = new JsonArray("https://layers.example/base"),
    });

    // A zstd frame (RFC 8878) of one raw block, which no tar needs to be in for a copy.
    private static TestImage OfZstd()
    {
        byte[] frame = [0x28, 0xB5, 0x2F, 0xFD, 0x20, 0x05, 0x29, 0x00, 0x00, .. "hello"u8];
        var layer = new TestBlob("application/vnd.oci.image.layer.v1.tar+zstd", frame);
        return TestImage.Of([]).With(manifest => manifest["layers"] = new JsonArray(Descriptor(layer)), [layer]);
    }

    private static byte[] Padded(byte[] json, int length) => [.. json, .. Encoding.UTF8.GetBytes(new string(' ', length - json.Length))];
}
