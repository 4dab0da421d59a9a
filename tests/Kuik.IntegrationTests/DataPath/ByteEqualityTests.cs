using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.IntegrationTests.CopyEngine;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.DataPath;

/// <summary>
/// node-proxy serves the origin's bytes: a real node-proxy, the copy engine and two real registries, over a corpus of every kind of image.
/// </summary>
public sealed class ByteEqualityTests(CorpusOrigin origin) : IClassFixture<CorpusOrigin>
{
    private const string Platform = "linux/amd64";
    private static readonly ParallelOptions Eight = new() { MaxDegreeOfParallelism = 8 };

    private readonly ConcurrentDictionary<(string Repository, string Part), Task<Served>> told = new();

    [Fact]
    public async Task Every_tag_manifest_and_blob_is_the_origins_when_it_is_pulled_through_and_then_without_origin_and_image_fetcher()
    {
        var (cache, engine, proxy) = await Start();

        Assert.Equal([], await Differences(proxy, image => image.Root.All));
        await Parallel.ForEachAsync(origin.Images, Eight, async (image, _) =>
        {
            foreach (var manifest in image.Root.All)
                await Eventually.True(async () => await cache.Manifest(NameOf(image), manifest.Digest) is not null,
                    $"{image.Kind} {NameOf(image)}: {manifest.Digest} is kept (seed {origin.Seed})");
            await Eventually.True(async () => await cache.Manifest(NameOf(image)) is not null,
                $"{image.Kind} {NameOf(image)} is kept (seed {origin.Seed})");
        });

        await WithoutOriginAnd(engine, async () => Assert.Equal([], await Differences(proxy, image => image.Root.All)));
    }

    [Fact]
    public async Task What_is_fetched_ahead_is_the_origins_without_origin_and_image_fetcher()
    {
        var (_, engine, proxy) = await Start();
        await Differences(proxy: null, image => image.Root.For(Platform));

        await Parallel.ForEachAsync(origin.Images, Eight, async (image, _) => await engine.Copy(NameOf(image)));

        await WithoutOriginAnd(engine, async () => Assert.Equal([], await Differences(proxy, image => image.Root.For(Platform))));
    }

    [Fact]
    public async Task Skopeo_copies_the_same_files_through_node_proxy_as_from_the_origin()
    {
        var (_, engine, proxy) = await Start();
        var indexes = origin.Images.Where(image => image.Kind is "OCI index" or "Docker manifest list" or "index with attestations"
            or "index with unknown fields")
            .GroupBy(image => image.Kind).SelectMany(kind => kind.Take(2));

        foreach (var image in indexes)
        {
            var fromOrigin = await CopyAll(NameOf(image));
            var throughProxy = await CopyAll($"127.0.0.1:{proxy.Port}/{CachePath.Of(ImageReference.Parse(NameOf(image)))}:{image.Tag}");

            Assert.Equal(fromOrigin, throughProxy);
            Assert.True(fromOrigin.Count > image.Root.All.Count(),
                $"{image.Kind}: skopeo copied {fromOrigin.Count} files (seed {origin.Seed})");
        }
        await engine.DisposeAsync();
    }

    private async Task<(Registry Cache, StartEngine Engine, KuikService Proxy)> Start()
    {
        var cache = await Registry.Start(new RegistryOptions { Name = "cache", ForeignLayersAt = "^https://" });
        var engine = await StartEngine.Run(cache, [origin.Registry.Host]);
        // A busy machine is slow: only what is dead may be passed over.
        var proxy = await StartNodeProxy.With(cache.Endpoint, engine.Endpoint, origin: null, ("Kuik:Proxy:FetcherLimit", "00:01:00"),
            ("Kuik:Proxy:CacheLimit", "00:01:00"));
        return (cache, engine, proxy);
    }

    private async Task WithoutOriginAnd(StartEngine engine, Func<Task> work)
    {
        await engine.DisposeAsync();
        await origin.Registry.Stop();
        try
        {
            await work();
        }
        finally
        {
            await origin.Registry.Restart();
        }
    }

    /// <summary>Asks the origin, the first time, and a node-proxy for every part of every image.</summary>
    /// <param name="proxy">Null: the origin only.</param>
    /// <param name="manifests">Selects manifests of an image.</param>
    /// <returns>One sentence each.</returns>
    private async Task<IReadOnlyList<string>> Differences(KuikService? proxy, Func<CorpusImage, IEnumerable<CorpusManifest>> manifests)
    {
        using var atOrigin = new HttpClient { BaseAddress = origin.Registry.Endpoint };
        using var atProxy = proxy is null ? null : new HttpClient { BaseAddress = proxy.Endpoint };
        var differences = new ConcurrentBag<string>();
        await Parallel.ForEachAsync(origin.Images, Eight, async (image, _) =>
        {
            foreach (var part in Served.PartsOf(image, manifests(image)))
            {
                var expected = await told.GetOrAdd((image.Repository, part), _ => Served.Ask(atOrigin, image.Repository, part));
                var actual = atProxy is null
                    ? expected
                    : await Served.Ask(atProxy, CachePath.Of(ImageReference.Parse(NameOf(image))), part);
                if (expected.Status != 200 || actual != expected)
                    differences.Add($"seed {origin.Seed}, {image.Kind}, {image.Repository}:{image.Tag}, {part}: the origin says "
                        + $"{expected}, node-proxy {actual}");
            }
        });
        return [.. differences.Order(StringComparer.Ordinal).Take(20)];
    }

    private string NameOf(CorpusImage image) => $"{origin.Registry.Host}/{image.Repository}:{image.Tag}";

    /// <summary>The files that skopeo makes of an image, by name: the digest of each.</summary>
    private static async Task<IReadOnlyDictionary<string, string>> CopyAll(string image)
    {
        var folder = Sandbox.Shared.NewFolder("copied");
        await Skopeo.Run("copy", "--quiet", "--all", "--preserve-digests", "--src-tls-verify=false", $"docker://{image}", $"dir:{folder}");
        return Directory.GetFiles(folder).Order(StringComparer.Ordinal)
            .ToDictionary(file => Path.GetFileName(file), file => TestBlob.DigestOf(File.ReadAllBytes(file)));
    }
}
