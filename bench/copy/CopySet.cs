using Kuik.Contracts;
using Kuik.Testing;

namespace Kuik.Bench.Copy;

/// <summary>Images on an origin that are copied together, and a cache that holds the lower half of each one's layers.</summary>
/// <param name="Name">For the table.</param>
/// <param name="Images">Their names on the origin, each with its digest.</param>
/// <param name="OldLayers">Digests of the layers that the half-full cache holds.</param>
/// <param name="HalfFull">That cache, stopped: its data is what each run begins with.</param>
internal sealed record CopySet(string Name, IReadOnlyList<(string Name, string Digest)> Images, IReadOnlySet<string> OldLayers,
    Registry HalfFull)
{
    /// <summary>Makes the images and pushes them.</summary>
    /// <param name="name">For the table, and the repositories.</param>
    /// <param name="origin">Where to.</param>
    /// <param name="count">How many images.</param>
    /// <param name="layers">The size of each layer in bytes, by image and layer.</param>
    public static async Task<CopySet> Make(string name, Registry origin, int count, Func<int, IReadOnlyList<int>> layers)
    {
        var halfFull = await Registry.Start(new RegistryOptions { Name = "half-full" });
        var images = new List<(string, string)>();
        var oldLayers = new HashSet<string>();
        for (var i = 0; i < count; i++)
        {
            // A new version of an image whose older one is cached: its lower layers are the same.
            var all = layers(i).Select((size, layer) => TestLayer.Random(seed: HashCode(name, i, layer), size)).ToList();
            var image = TestImage.Of(all);
            var older = TestImage.Of(all[..(all.Count / 2)]);
            var pushed = await origin.Push($"{name.Replace(' ', '-')}/{i}".ToLowerInvariant(), "2", image);
            await halfFull.Push(CachePath.Of(ImageReference.Parse(pushed)), "1", older);
            images.Add((pushed, image.Digest));
            oldLayers.UnionWith(older.Layers.Select(layer => layer.Digest));
        }
        await halfFull.Stop();
        return new CopySet(name, images, oldLayers, halfFull);
    }

    /// <summary>A cache of its own for one run.</summary>
    /// <param name="isHalfFull">False: empty.</param>
    public async Task<Registry> NewCache(bool isHalfFull)
    {
        var cache = await Registry.Start(new RegistryOptions { Name = "cache" });
        if (isHalfFull)
            await RunTool.Run("cp", ["--archive", "--link", HalfFull.DataFolder + "/.", cache.DataFolder]);
        return cache;
    }

    /// <summary>True when the cache serves every image exactly.</summary>
    /// <exception cref="InvalidOperationException">It does not: what was measured is not a copy.</exception>
    public async Task Check(Registry cache)
    {
        using var http = cache.Client("any");
        foreach (var (name, digest) in Images)
        {
            using var ask = new HttpRequestMessage(HttpMethod.Get,
                new Uri($"/v2/{CachePath.Of(ImageReference.Parse(name))}/manifests/2", UriKind.Relative));
            ask.Headers.TryAddWithoutValidation("Accept", Oci.MediaTypes.OciManifest);
            using var answer = await http.SendAsync(ask);
            if (!answer.IsSuccessStatusCode || TestBlob.DigestOf(await answer.Content.ReadAsByteArrayAsync()) != digest)
                throw new InvalidOperationException($"{name} was not copied to {cache.Host}: {(int)answer.StatusCode}");
        }
    }

    // The same in every process, unlike .NET's own.
    private static int HashCode(string name, int image, int layer) => (name.Sum(c => c) * 1_000_000) + (image * 100) + layer;
}
