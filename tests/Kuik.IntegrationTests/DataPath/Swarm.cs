using Kuik.Contracts;
using Kuik.IntegrationTests.CopyEngine;
using Kuik.IntegrationTests.ImageFetcher;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.DataPath;

/// <summary>
/// Ten node-proxies and three image-fetchers, each a process, with Postgres, RabbitMQ, a cache registry, and an origin whose access log
/// says how many bytes it sent for each request.
/// </summary>
public sealed class Swarm : IAsyncLifetime
{
    private const int Fetchers = 3;
    private const int NodeProxies = 10;

    private readonly string spools = Sandbox.Shared.NewFolder("swarm-spools");

    private Front service = null!;

    internal FetcherWorld World { get; private set; } = null!;

    /// <summary>nginx before the origin: images are named by it.</summary>
    public Front Origin { get; private set; } = null!;

    public IReadOnlyList<KuikService> ImageFetchers { get; private set; } = [];

    public IReadOnlyList<KuikService> Proxies { get; private set; } = [];

    public async ValueTask InitializeAsync()
    {
        World = await FetcherWorld.Start();
        Origin = await Front.Start(World.Origin);
        var ports = Enumerable.Range(0, Fetchers).Select(_ => FreePort.Next()).ToList();
        service = await Front.StartBefore([.. ports.Select(port => $"127.0.0.1:{port}")]);
        (string, string?)[] settings = [("Kuik:InsecureRegistries:0", $"http://{Origin.Host}"),
            .. ports.Select((port, i) => ($"Kuik:Fetcher:Peers:{i}", (string?)$"http://127.0.0.1:{port}"))];
        ImageFetchers = await Task.WhenAll(
            ports.Select(port => World.StartFetcher(port, [.. settings, ("Kuik:Fetch:SpoolPath", SpoolOf(port))])));
        // A busy machine is slow: only what is dead may be passed over.
        Proxies = await Task.WhenAll(Enumerable.Range(0, NodeProxies).Select(_ => StartNodeProxy.With(
            World.Cache.Endpoint, service.Endpoint, Origin.Endpoint,
            ("Kuik:Proxy:ConnectLimit", "00:01:00"), ("Kuik:Proxy:FetcherLimit", "00:01:00"), ("Kuik:Proxy:CacheLimit", "00:01:00"),
            ("Kuik:Proxy:NoProgressLimit", "00:02:00"))));
        // Replicas ask each other once who they are, and take one that does not say so within two seconds for gone: not in the middle of
        // all the work.
        var first = await Push("swarm/first", seed: 0, layers: 12, size: 1000);
        await Pull(first, clients: 3 * NodeProxies);
        await IsCached(first);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var proxy in Proxies)
            proxy.Kill();
        await World.DisposeAsync();
    }

    /// <summary>An image of random layers below an index, at the origin.</summary>
    /// <param name="repository">Its own.</param>
    /// <param name="seed">Of the layers.</param>
    /// <param name="layers">How many.</param>
    /// <param name="size">Of each, in bytes.</param>
    public async Task<CorpusImage> Push(string repository, int seed, int layers, int size)
    {
        var make = new MakeManifests(new Random(seed));
        var child = make.Image(
            [.. Enumerable.Range(0, layers).Select(_ => new TestBlob("application/vnd.oci.image.layer.v1.tar", make.RandomBytes(size)))]);
        var image = new CorpusImage("swarm", repository, "1", make.Index([new(child, "linux/amd64")]));
        await World.Origin.Push([image]);
        return image;
    }

    /// <summary>The image as pods name it.</summary>
    public string NameOf(CorpusImage image) => $"{Origin.Host}/{image.Repository}:{image.Tag}";

    /// <summary>Pulls an image as so many clients do, spread over all node-proxies, all at once, while it is also copied for the first pod
    /// that was seen.</summary>
    /// <returns>The transfers that broke and were gone on with.</returns>
    /// <exception cref="InvalidDataException">A client was given a wrong byte.</exception>
    public async Task<IReadOnlyList<string>> Pull(CorpusImage image, int clients)
    {
        using var http = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
        var pulls = Enumerable.Range(0, clients)
            .Select(i => new PullAsContainerd(http,
                new Uri(Proxies[i % NodeProxies].Endpoint, $"/v2/{CachePath.Of(ImageReference.Parse(NameOf(image)))}/"))).ToList();
        var requested = World.Request(NameOf(image));
        await Task.WhenAll(pulls.Select(pull => pull.Run(image)).Append(requested));
        return [.. pulls.SelectMany(pull => pull.Breaks)];
    }

    /// <summary>Pulls a blob as a runtime does that stops reading for a while: its disk is busy.</summary>
    public async Task<byte[]> PullWithPause(CorpusImage image, TestBlob blob, int after, TimeSpan pause)
    {
        using var http = new HttpClient();
        await using var body =
            await http.GetStreamAsync(
                new Uri(Proxies[0].Endpoint, $"/v2/{CachePath.Of(ImageReference.Parse(NameOf(image)))}/blobs/{blob.Digest}"));
        var bytes = new byte[blob.Bytes.Length];
        await body.ReadExactlyAsync(bytes.AsMemory(0, after));
        await Task.Delay(pause);
        await body.ReadExactlyAsync(bytes.AsMemory(after));
        return bytes;
    }

    /// <summary>Waits until the image is in the cache and requests for it have ended.</summary>
    public async Task IsCached(CorpusImage image)
    {
        await World.Recorded<ImageCached>(NameOf(image));
        await Eventually.True(async () => await World.Cache.Manifest(NameOf(image)) is not null, $"{NameOf(image)} is cached");
    }

    /// <summary>How many bytes the origin sent of each manifest and blob of an image, by digest: whatever the method, range or
    /// outcome.</summary>
    public IReadOnlyDictionary<string, long> SentByOrigin(CorpusImage image) => Origin.Requests()
        .Where(request => request.Status is 200 or 206 && request.Path.StartsWith($"/v2/{image.Repository}/", StringComparison.Ordinal))
        .GroupBy(request => request.Path[(request.Path.LastIndexOf('/') + 1)..] is var target && target == image.Tag
            ? image.Root.Digest
            : target)
        .ToDictionary(requests => requests.Key, requests => requests.Sum(request => request.BytesSent));

    /// <summary>The requests to the origin and their responses, for a failure.</summary>
    public string Story(CorpusImage image) => string.Join('\n',
    [
        .. Origin.Requests().Where(request => request.Path.StartsWith($"/v2/{image.Repository}/", StringComparison.Ordinal))
        .Select(request => $"origin: {request}"),
        .. ImageFetchers.Concat(Proxies)
        .SelectMany(each => Lines(each.Log)
        .Where(line => line.Contains(image.Repository, StringComparison.Ordinal) || !line.Contains(" INFO ", StringComparison.Ordinal))
            .Select(line => $"{each.Port}: {line}")),
        .. Lines(service.Log).Select(line => $"service: {line}"),
    ]);

    /// <summary>The image-fetcher that has most of blobs under way on its disk, once one has so many bytes.</summary>
    public async Task<KuikService> Busiest(long bytes)
    {
        await Eventually.True(() => ImageFetchers.Any(fetcher => SpooledBy(fetcher) >= bytes),
            $"an image-fetcher has {bytes} bytes under way");
        return ImageFetchers.MaxBy(SpooledBy)!;
    }

    /// <summary>Size of every manifest and blob of an image, by digest.</summary>
    public static IReadOnlyDictionary<string, long> Sizes(CorpusImage image) => image.Root.All
        .SelectMany(manifest => manifest.Blobs.Select(blob => (blob.Digest, blob.Bytes.Length))
        .Append((manifest.Digest, manifest.Bytes.Length)))
        .ToDictionary(part => part.Digest, part => (long)part.Length);

    private string SpoolOf(int port) => Path.Combine(spools, $"{port}");

    private long SpooledBy(KuikService fetcher) =>
        Directory.EnumerateFiles(SpoolOf(fetcher.Port), "*", SearchOption.AllDirectories)
            .Sum(file => new FileInfo(file) is { Exists: true } spooled ? spooled.Length : 0);

    private static string[] Lines(string log) => log.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
