using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>
/// A cache that lives through a seeded sequence of copies, moved tags, pins, evictions, crashes between any two steps and garbage
/// collections, and a model of what it has to hold.
/// </summary>
internal sealed class RandomCacheLife : IAsyncDisposable
{
    private const string Platform = "linux/amd64";
    private static readonly string[] Repositories = ["team/a", "team/b"];
    private static readonly string[] Tags = ["1", "1.2", "1.2.3", "edge"];

    private readonly Random random;
    private readonly Registry origin;
    private readonly Registry cache;
    private readonly CutFront front;
    private readonly IReadOnlyList<CorpusManifest> contents;
    private readonly Dictionary<string, CorpusManifest> published = [];   // by name: what the origin has there
    private readonly Dictionary<string, CorpusManifest> live = [];        // by name: what the cache has to have there
    private readonly HashSet<string> open = [];                           // names whose last copy or eviction was cut off
    private readonly HashSet<(string Repository, string Digest)> tried = [];
    private readonly List<string> story = [];
    private StartEngine engine = null!;

    private RandomCacheLife(int seed, Registry origin, Registry cache, CutFront front)
    {
        random = new Random(seed);
        (this.origin, this.cache, this.front) = (origin, cache, front);
        contents = MakeContents(new MakeManifests(random));
    }

    /// <summary>The steps so far, for a failure.</summary>
    public string Story => string.Join('\n', story);

    public static async Task<RandomCacheLife> Start(int seed, Registry origin, Registry cache, CutFront front)
    {
        var life = new RandomCacheLife(seed, origin, cache, front);
        foreach (var repository in Repositories)
            foreach (var content in life.contents)   // one by one: distribution 2.8 trips over pushes of the same manifest at once
                await origin.Push([new CorpusImage("", repository, content.Digest, content)]);
        await life.NewEngine();
        return life;
    }

    /// <summary>One to three things at once, perhaps cut off in the middle; then perhaps a garbage collection.</summary>
    public async Task Step()
    {
        var names = Names().OrderBy(_ => random.Next()).Take(random.Next(1, 4)).ToList();
        foreach (var name in names)
            await Publish(name);
        if (random.Next(3) == 0)
            front.CutAfter(random.Next(1, 60));

        await Task.WhenAll(names.Select(name => random.Next(5) < 2 ? Evict(name) : Copy(name)).ToList());

        if (front.HasCut)
            await NewEngine();   // the process is gone, and with it what it remembered
        front.Mend();
        if (random.Next(5) == 0)
            await CollectGarbage(deleteUntagged: random.Next(2) == 0);
    }

    /// <summary>Repeats interrupted steps, as expiry's announcements would, and sweeps each repository once.</summary>
    public async Task Settle()
    {
        foreach (var name in open.ToList())
            await (random.Next(2) == 0 ? Evict(name) : Copy(name));
        Assert.Empty(open);
        foreach (var repository in Repositories)
            await engine.TagEviction.Evict(ImageReference.Parse($"{origin.Host}/{repository}:never-cached"), Stop);
    }

    /// <summary>The registry's own, and what is cached is whole before and after it.</summary>
    public async Task CollectGarbage(bool deleteUntagged)
    {
        await AssertWhole();
        story.Add($"garbage collection{(deleteUntagged ? " that deletes what has no tag" : "")}");
        await cache.CollectGarbage(deleteUntagged);
        await AssertWhole();
    }

    /// <summary>On disk is what the cached images need, and nothing else.</summary>
    public void AssertNothingElse()
    {
        var onDisk = Directory.GetDirectories(Path.Combine(cache.DataFolder, "docker/registry/v2/blobs/sha256"), "*",
            SearchOption.AllDirectories)
            .Select(folder => Path.GetFileName(folder)).Where(name => name.Length == 64).Select(hex => "sha256:" + hex)
            .Where(digest => digest != ArtifactManifest.EmptyDigest).ToHashSet();
        var needed = live.Values.SelectMany(root => root.For(Platform)).SelectMany(Stored)
            .Where(digest => digest != ArtifactManifest.EmptyDigest).ToHashSet();
        // What an index lists belongs to it: a child that came as an image of its own stays for as long as the index.
        var allowed = live.SelectMany(image =>
            image.Value.All.Where(manifest => tried.Contains((RepositoryOf(image.Key), manifest.Digest)))).SelectMany(Stored);

        Assert.Equal([], needed.Except(onDisk));
        var needless = onDisk.Except(needed).Except(allowed).Select(Describe).ToList();
        Assert.True(needless.Count == 0, $"on disk, and nothing needs it: {string.Join('\n', needless)}");
    }

    public async ValueTask DisposeAsync()
    {
        await engine.DisposeAsync();
        await front.DisposeAsync();
    }

    private string Describe(string digest)
    {
        var bytes = File.ReadAllBytes(Path.Combine(cache.DataFolder, "docker/registry/v2/blobs/sha256", digest[7..9], digest[7..], "data"));
        return $"{digest}: {System.Text.Encoding.UTF8.GetString(bytes)}";
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private IEnumerable<string> Names() => Repositories.SelectMany(repository => Tags.Select(tag => $"{origin.Host}/{repository}:{tag}")
        .Concat(contents.Take(6).Select(content => $"{origin.Host}/{repository}@{content.Digest}")));

    private static string RepositoryOf(string name) => CachePath.Of(ImageReference.Parse(name));

    /// <summary>Images of one platform, and indexes of them: with children in common, for other platforms too, and in each other.</summary>
    private static IReadOnlyList<CorpusManifest> MakeContents(MakeManifests make)
    {
        var images = Enumerable.Range(0, 6).Select(i => make.Image(i % 2 == 0 ? ImageFormat.Oci : ImageFormat.Docker)).ToList();
        var inner = make.Index([new(images[0], Platform), new(images[1], "linux/arm64")]);
        return
        [
            images[0], images[1], inner, images[2],
            make.Index([new(inner, Platform), new(images[2], "linux/arm64")]),
            make.Index([new(images[0], Platform), new(images[3], "linux/arm64"),
                new(make.Image([make.Layer(MakeManifests.Attestation)]), null)]),
            make.Index([new(images[3], Platform), new(images[4], "linux/arm64")], ImageFormat.Docker),
            images[4],
            make.Index([new(images[5], "linux/s390x")]),
        ];
    }

    /// <summary>The registry's files of a manifest.</summary>
    private static IEnumerable<string> Stored(CorpusManifest manifest) => MediaTypes.IsIndex(manifest.MediaType)
        ? [manifest.Digest, Digest.Sha256(new IndexWrapper(manifest.Digest, manifest.MediaType, manifest.Bytes.Length).ToManifest())]
        : manifest.Blobs.Select(blob => blob.Digest).Append(manifest.Digest);

    /// <summary>A tag is new or moves, every second time; a digest names what it names.</summary>
    private async Task Publish(string name)
    {
        var image = ImageReference.Parse(name);
        if (image.Digest is not null)
            published[name] = contents.Single(content => content.Digest == image.Digest);
        else if (!published.ContainsKey(name) || random.Next(2) == 0)
        {
            var content = published[name] = contents[random.Next(contents.Count)];
            using var http = origin.Client(image.Repository);
            await PushImage.PushManifest(http, image.Repository, image.Tag!, content.MediaType, content.Bytes);
        }
    }

    private Task Copy(string name)
    {
        var content = published[name];
        foreach (var manifest in content.For(Platform))
            tried.Add((RepositoryOf(name), manifest.Digest));
        // A tag that has moved within the last seconds may be taken for what it was.
        return Do($"copy {name} = {content.Digest}", name, async () => (await engine.Copy(name)).Digest);
    }

    private Task Evict(string name) =>
        Do($"evict {name}", name, async () =>
        {
            await engine.TagEviction.Evict(ImageReference.Parse(name), Stop);
            return null;
        });

    /// <param name="what">For the story.</param>
    /// <param name="name">Of the image.</param>
    /// <param name="work">Gives the digest that is cached after it, null for none.</param>
    private async Task Do(string what, string name, Func<Task<string?>> work)
    {
        string? cached = null;
        var isCut = false;
        try
        {
            cached = await work();
        }
        catch (CopyException) when (front.HasCut)
        {
            isCut = true;
        }
        lock (story)
        {
            story.Add(what + (isCut ? ", cut off" : ""));
            _ = isCut ? open.Add(name) : open.Remove(name);
            live.Remove(name);
            if (cached is not null)
                live[name] = contents.Single(content => content.Digest == cached);
        }
    }

    private async Task NewEngine()
    {
        if (engine is not null)
            await engine.DisposeAsync();
        engine = await StartEngine.Run(cache, [origin.Host], null, ("Kuik:Cache:Endpoint", front.Endpoint));
    }

    /// <summary>Everything that is cached is pullable, byte for byte; what was cut off is there whole or not at all.</summary>
    private async Task AssertWhole()
    {
        foreach (var (name, root) in live)
            await AssertWhole(name, root);
        foreach (var name in open)
            if (await cache.Manifest(name, CacheTags.OfImage(ImageReference.Parse(name))) is { } stored
                && !CacheRegistry.IsTombstone(new Manifest(stored.Bytes, stored.MediaType, "")))
                await AssertWhole(name, contents.Single(content => content.Bytes.AsSpan().SequenceEqual(stored.Bytes)));
    }

    private async Task AssertWhole(string name, CorpusManifest root)
    {
        var named = await cache.Manifest(name);
        Assert.Equal((root.Digest, root.MediaType), (named is null ? null : Digest.Sha256(named.Value.Bytes), named?.MediaType));
        foreach (var manifest in root.For(Platform))
        {
            var stored = await cache.Manifest(name, manifest.Digest);
            Assert.Equal((manifest.Digest, manifest.MediaType),
                (stored is null ? null : Digest.Sha256(stored.Value.Bytes), stored?.MediaType));
            foreach (var blob in manifest.Blobs)
                Assert.Equal(blob.Digest, await cache.Blob(name, blob.Digest) is { } bytes ? Digest.Sha256(bytes) : null);
        }
    }
}
