using System.Diagnostics;
using Kuik.IntegrationTests.CopyEngine;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Replicas;

public class MoreWorkThanLimitsTests
{
    private const int Images = 10;
    private const int LayersOfAnImage = 20;
    private const int Clients = 50;

    [Fact]
    public async Task Fifty_clients_of_two_hundred_blobs_get_them_all_and_one_that_is_cached_is_served_meanwhile()
    {
        // Given limits far below the work: a spool that holds a tenth of it, two blobs at once
        await using var origin = await ScriptedOrigin.Start();
        var images = Enumerable.Range(8000, Images * LayersOfAnImage).Select(seed => TestLayer.Random(seed, 60_000))
            .Chunk(LayersOfAnImage).Select(layers => TestImage.Of(layers)).ToList();
        var names = images.Select((image, i) => origin.Add($"team/app{i}", "1", image)).ToList();
        var cached = TestImage.Small(seed: 8900, size: 100_000);
        var cachedName = origin.Add("team/cached", "1", cached);
        var cache = await Registry.Start();
        await using var fleet = await Fleet.Start(new FleetOptions(cache, [origin.Host])
        {
            Settings = new Dictionary<string, string>
            {
                ["Kuik:Fetch:MaxConcurrentBlobs"] = "2",
                ["Kuik:Fetch:MaxConcurrentPerHost"] = "2",
                ["Kuik:Fetch:SpoolLimit"] = "400Ki",
            },
        });
        var stop = TestContext.Current.CancellationToken;
        Assert.True((await fleet.Copy(cachedName, first: 0, stop)).IsCopied);
        origin.Script = request => request.IsBlobDownload ? SendInPieces.Paced(bytesPerSecond: 200_000) : null;
        var log = new PullLog();

        // When clients pull the images, copies of all are under way, and one client after the other wants what is cached
        var pulls = Enumerable.Range(0, Clients).Select(i => fleet.Pull(names[i % Images], images[i % Images], log, i)).ToList();
        var copies = names.Select((name, i) => fleet.Copy(name, i, stop)).ToList();
        await Eventually.True(() => origin.Ledger.Count(request => request.IsBlobDownload) > 4, "blobs are under way");
        var slowest = TimeSpan.Zero;
        for (var i = 0; i < 5; i++)
        {
            var asked = Stopwatch.GetTimestamp();
            Assert.True(await fleet.Pull(cachedName, cached, log, i), log.Timeline);
            slowest = Stopwatch.GetElapsedTime(asked) is var took && took > slowest ? took : slowest;
        }
        var outcomes = await Task.WhenAll(copies);
        await Task.WhenAll(pulls);

        // Then
        Assert.True(log.Failures.IsEmpty && log.WrongBytes.IsEmpty, log.Timeline);
        Assert.All(outcomes, outcome => Assert.True(outcome.IsCopied, outcome.Verdict));
        foreach (var (name, image) in names.Zip(images))
            await cache.AssertHas(name, image);
        var twice = OriginBytes.SentTwice(origin, images);
        Assert.True(twice.Count == 0, string.Join('\n', twice.Append(log.Timeline)));
        Assert.True(slowest < TimeSpan.FromSeconds(15), $"a cached image took {slowest.TotalSeconds:0.0} s");
    }
}
