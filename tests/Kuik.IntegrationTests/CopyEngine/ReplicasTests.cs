using System.Net;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

public class ReplicasTests
{
    [Fact]
    public async Task Two_replicas_that_copy_overlapping_images_get_each_blob_once()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var layers = Enumerable.Range(0, 6).Select(i => TestLayer.Random(300 + i, 400_000)).ToList();
        var images = Enumerable.Range(0, 10).Select(i => TestImage.Of([layers[i % 6], layers[(i + 1) % 6], TestLayer.Text("n", $"{i}")]))
            .ToList();
        var names = await Task.WhenAll(images.Select((image, i) => origin.Push($"team/app{i % 4}", $"v{i}", image)));
        var replicas = await Replicas(2, cache, origin.Host);

        await Task.WhenAll(names.SelectMany(name => replicas.Select(replica => replica.Copy(name))));

        foreach (var (name, image) in names.Zip(images))
            await cache.AssertHas(name, image);
        Assert.All(origin.BlobDownloads(), download => Assert.Equal(1, download.Value));
        foreach (var replica in replicas)
            await replica.DisposeAsync();
    }

    [Fact]
    public async Task Three_replicas_that_copy_one_image_ask_its_origin_for_each_manifest_once()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 97);
        var name = await origin.Push("team/web", "1", index);
        var replicas = await Replicas(3, cache, origin.Host);

        await Task.WhenAll(replicas.Select(replica => replica.Copy(name)));

        await cache.AssertHas(name, index, "linux/amd64");
        Assert.Equal(2, origin.Requests()
            .Count(request => request.Method == "GET" && request.Path.Contains("/manifests/", StringComparison.Ordinal)));
        foreach (var replica in replicas)
            await replica.DisposeAsync();
    }

    [Fact]
    public async Task Clients_of_three_replicas_get_an_image_that_the_origin_sends_once()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 70, size: 3_000_000);
        var name = await origin.Push("team/web", "1", image);
        var replicas = await Replicas(3, cache, origin.Host);

        await Task.WhenAll(Enumerable.Range(0, 12).Select(async i =>
        {
            using var client = replicas[i % 3].Client();
            var manifest = await client.Ask(HttpMethod.Get, name, "manifests/1");
            Assert.Equal(HttpStatusCode.OK, manifest.StatusCode);
            Assert.Equal(image.Bytes, await manifest.Content.ReadAsByteArrayAsync());
            foreach (var blob in image.Blobs)
                Assert.Equal(blob.Bytes, await client.TryRead(name, blob.Digest));
        }));

        Assert.All(origin.BlobDownloads(), download => Assert.Equal(1, download.Value));
        Assert.Single(origin.Requests(),
            request => request.Method == "GET" && request.Path.EndsWith("/manifests/1", StringComparison.Ordinal));
        Assert.Single(replicas.SelectMany(replica => replica.Pulls));
        await Eventually.True(async () => await cache.Manifest(name) is not null, "the image is kept");
        foreach (var replica in replicas)
            await replica.DisposeAsync();
    }

    [Fact]
    public async Task When_the_owner_is_gone_the_next_one_does_its_work()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var images = Enumerable.Range(0, 5).Select(i => TestImage.Small(seed: 80 + i)).ToList();
        var names = await Task.WhenAll(images.Select((image, i) => origin.Push("team/web", $"v{i}", image)));
        var replicas = await Replicas(3, cache, origin.Host);
        await replicas[0].Copy(names[0]);
        await replicas[1].DisposeAsync();
        await replicas[2].DisposeAsync();

        await Task.WhenAll(names.Select(replicas[0].Copy));
        using var client = replicas[0].Client();

        foreach (var (name, image) in names.Zip(images))
        {
            await cache.AssertHas(name, image);
            Assert.Equal(image.Layers[1].Bytes, await client.TryRead(name, image.Layers[1].Digest));
        }
        await replicas[0].DisposeAsync();
    }

    [Fact]
    public async Task An_owner_that_takes_its_time_keeps_what_it_owns()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 98, size: 300_000);
        var name = await origin.Push("team/web", "1", image);
        var ports = new[] { FreePort.Next(), FreePort.Next() };
        var fronts = await Task.WhenAll(ports.Select(port => CutFront.Start($"http://127.0.0.1:{port}")));
        var peers = fronts.Select((front, i) => ($"Kuik:Fetcher:Peers:{i}", front.Endpoint)).ToArray();
        var replicas = await Task.WhenAll(ports.Select(port => StartEngine.Run(cache, [origin.Host], port, peers)));
        var layer = image.Layers[0];
        var owner = Array.IndexOf(ports, StartEngine.OwnerOf(layer.Digest, ports));
        await Task.WhenAll(replicas.Select(replica => replica.LearnNames()));
        using var clientOfOwner = replicas[owner].Client();
        using var client = replicas[1 - owner].Client();
        var gate = new TaskCompletionSource();
        fronts[owner].HoldUntil(gate.Task);

        var answers = new List<HttpResponseMessage>();
        for (var i = 0; i < 4; i++)
            answers.Add(await client.AskOnce(HttpMethod.Get, name, "blobs/" + layer.Digest));
        gate.SetResult();
        var bytes = await Task.WhenAll(client.TryRead(name, layer.Digest), clientOfOwner.TryRead(name, layer.Digest));

        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode));
        Assert.All(bytes, each => Assert.Equal(layer.Bytes, each));
        Assert.Equal(1, Assert.Single(origin.BlobDownloads()).Value);
        foreach (var replica in replicas)
            await replica.DisposeAsync();
        foreach (var front in fronts)
            await front.DisposeAsync();
    }

    [Fact]
    public async Task When_the_owner_goes_in_the_middle_of_a_blob_the_next_one_gets_it()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var images = Enumerable.Range(0, 6).Select(i => TestImage.Small(seed: 90 + i, size: 500_000)).ToList();
        var names = images.Select((image, i) => origin.Add("team/web", $"v{i}", image)).ToList();
        var never = new TaskCompletionSource();
        origin.Script = request =>
            request is { IsBlobDownload: true, Count: 0 } && images.Any(image => image.Layers[1].Digest == request.Target)
                ? Misbehave.HoldAt(200_000, never.Task)
                : null;
        var replicas = await Replicas(2, cache, origin.Host);
        var copies = names.Select(replicas[0].Copy).ToList();
        await Eventually.True(() => origin.Ledger.Count(request => request.IsBlobDownload && request.Range is null) >= 4,
            "four downloads, as many as one replica asks for, have begun");

        await replicas[1].DisposeAsync();   // its downloads break off
        never.SetResult();
        await Task.WhenAll(copies);

        foreach (var (name, image) in names.Zip(images))
            await cache.AssertHas(name, image);
        await replicas[0].DisposeAsync();
    }

    [Fact]
    public async Task A_name_stands_for_all_its_addresses_and_one_without_a_listener_is_skipped()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 96);
        var name = await origin.Push("team/web", "1", image);
        var port = FreePort.Next();
        await using var engine = await StartEngine.Run(cache, [origin.Host], port, ("Kuik:Fetcher:Peers", $"http://localhost:{port}"));

        await engine.Copy(name);

        await cache.AssertHas(name, image);
    }

    private static async Task<IReadOnlyList<StartEngine>> Replicas(int count, Registry cache, string origin)
    {
        var ports = Enumerable.Range(0, count).Select(_ => FreePort.Next()).ToList();
        var peers = ports.Select((port, i) => ($"Kuik:Fetcher:Peers:{i}", $"http://127.0.0.1:{port}")).ToArray();
        return [.. await Task.WhenAll(ports.Select(port => StartEngine.Run(cache, [origin], port, peers)))];
    }
}
