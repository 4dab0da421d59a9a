using Kuik.Contracts;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>From an announcement to the image in the cache, with real servers; the test takes the parts of pod-watcher and, where it says
/// so, of expiry.</summary>
public sealed class FetchImageTests
{
    [Fact]
    public async Task A_requested_image_is_cached_byte_for_byte_and_recorded()
    {
        await using var world = await FetcherWorld.Start();
        await world.StartFetcher(("Kuik:Fetcher:Name", "us"));
        var content = TestImage.Small(seed: 1);
        var image = await world.Origin.Push("team/app", "1", content);

        await world.Request(image);
        var cached = await world.Recorded<ImageCached>(image);

        Assert.Equal(content.Bytes, await world.InCache(image));
        Assert.Equal((content.Digest, content.MediaType), (cached.Digest, cached.MediaType));
        Assert.Equal(content.Blobs.Sum(blob => blob.Bytes.Length), cached.BytesCopied);
        Assert.Equal([typeof(RequestedByPod), typeof(ImageFetchStarted), typeof(ImageCached)],
            (await world.Events(image)).Select(fact => fact.GetType()));
        Assert.Equal("us", (await world.Recorded<ImageFetchStarted>(image)).By);
    }

    [Fact]
    public async Task A_request_that_was_published_before_the_queue_existed_is_copied_when_the_first_replica_starts()
    {
        await using var world = await FetcherWorld.Start();
        var image = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 31));
        await world.Request(image);
        await world.Relayed();   // RabbitMQ has dropped it, and no expiry runs here

        await world.StartFetcher();

        await world.Recorded<ImageCached>(image);
    }

    [Fact]
    public async Task Of_an_index_the_wanted_platform_is_cached()
    {
        await using var world = await FetcherWorld.Start();
        await world.StartFetcher(("Kuik:Platforms", "linux/amd64,linux/s390x"));
        var content = TestIndex.Small(seed: 2);
        var image = await world.Origin.Push("team/app", "1", content);

        await world.Request(image);
        var cached = await world.Recorded<ImageCached>(image);

        Assert.Equal(content.Digest, cached.Digest);
        Assert.Equal(["linux/amd64"], cached.Platforms);
        Assert.Equal(["linux/s390x"], cached.MissingPlatforms);
        Assert.Equal(content.Digest, IndexWrapper.Parse(await world.InCache(image))?.Digest);
        Assert.Equal(content.Child("linux/amd64").Bytes, await world.InCache(image, content.Child("linux/amd64").Digest));
        Assert.Null(await world.InCache(image, content.Child("linux/arm64").Digest));
    }

    [Fact]
    public async Task An_image_requested_twice_is_copied_once()
    {
        await using var world = await FetcherWorld.Start();
        var fetcher = await world.StartFetcher();
        var image = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 3));
        await world.Request(image);
        await world.Recorded<ImageCached>(image);

        await world.Append(image, new RequestedByPerson(image, image, "app-1", DateTimeOffset.UtcNow));

        await Eventually.True(() =>
            fetcher.Log.Contains($"{image} was announced and is left alone: AlreadyCached", StringComparison.Ordinal),
            "the second request was seen");
        Assert.Single((await world.Events(image)).OfType<ImageCached>());
        Assert.All(world.Origin.BlobDownloads(), downloads => Assert.Equal(1, downloads.Value));
    }

    [Fact]
    public async Task Two_replicas_share_20_requests_for_10_images_and_copy_each_once()
    {
        await using var world = await FetcherWorld.Start();
        var (first, second) = (FreePort.Next(), FreePort.Next());
        (string, string?)[] peers =
            [("Kuik:Fetcher:Peers:0", $"http://127.0.0.1:{first}"), ("Kuik:Fetcher:Peers:1", $"http://127.0.0.1:{second}")];
        await world.StartFetcher(first, peers);
        await world.StartFetcher(second, peers);
        // Each image has a layer that all share, and one of its own.
        var images = new List<string>();
        for (var i = 0; i < 10; i++)
            images.Add(await world.Origin.Push($"team/app-{i}", "1",
                TestImage.Of([TestLayer.Random(100, 200_000), TestLayer.Random(200 + i, 300_000)])));

        await Task.WhenAll(images.Concat(images).Select(world.Request));
        var cached = await Task.WhenAll(images.Select(image => world.Recorded<ImageCached>(image)));

        Assert.Equal(10, cached.Length);
        foreach (var image in images)
        {
            Assert.Single((await world.Events(image)).OfType<ImageCached>());
            Assert.NotNull(await world.InCache(image));
        }
        Assert.All(world.Origin.BlobDownloads(), downloads => Assert.Equal(1, downloads.Value));
        var replicas = (await Task.WhenAll(images.Select(image => world.Recorded<ImageFetchStarted>(image)))).Select(started => started.By)
            .Distinct();
        Assert.Equal(2, replicas.Count());
    }

    /// <summary>Takes expiry's part: it announces the image again.</summary>
    [Fact]
    public async Task While_the_origin_is_away_the_image_waits_for_its_next_try_and_is_then_cached()
    {
        await using var world = await FetcherWorld.Start();
        await world.StartFetcher();
        var image = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 4));
        await world.Origin.Stop();

        await world.Request(image);
        var failed = await world.Recorded<ImageFetchFailed>(image);
        await world.Origin.Restart();
        await Eventually.True(() => DateTimeOffset.UtcNow > failed.RetryAt, "its next attempt has come");
        await world.Announce(new FetchDue(image, failed.RetryAt, DateTimeOffset.UtcNow));
        await world.Recorded<ImageCached>(image);

        Assert.Equal(("unreachable", true), (failed.Kind, failed.RetryHelps));
        Assert.InRange(failed.RetryAt - failed.FailedAt, TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(19));
        Assert.NotNull(await world.InCache(image));
    }

    [Fact]
    public async Task An_image_that_the_origin_does_not_have_is_gone()
    {
        await using var world = await FetcherWorld.Start();
        await world.StartFetcher();
        await world.Origin.Push("team/app", "1", TestImage.Small(seed: 5));
        var image = $"{world.Origin.Host}/team/app:2";

        await world.Request(image);
        var failed = await world.Recorded<ImageFetchFailed>(image);

        Assert.Equal(("gone", false), (failed.Kind, failed.RetryHelps));
        Assert.True(failed.RetryAt - failed.FailedAt >= TimeSpan.FromMinutes(5));
    }

    /// <summary>The origin is scripted: a real one does not hold a blob until it is told to go on.</summary>
    [Fact]
    public async Task A_slow_origin_is_copied_under_a_lease_that_is_renewed_and_no_other_replica_takes_it()
    {
        await using var world = await FetcherWorld.Start();
        await using var origin = await ScriptedOrigin.Start();
        var goOn = new TaskCompletionSource();
        var content = TestImage.Small(seed: 6);
        var image = origin.Add("team/app", "1", content);
        origin.Script = request => request.IsBlobDownload && request.Target == content.Layers[0].Digest
            ? Misbehave.HoldAt(100, goOn.Task)
            : null;
        (string, string?)[] settings = [("Kuik:InsecureRegistries:0", $"http://{origin.Host}"), ("Kuik:Fetch:Lease", "00:00:06")];
        await world.StartFetcher([.. settings, ("Kuik:Fetcher:Name", "one")]);
        await world.Request(image);
        await world.Recorded<ImageFetchStarted>(image);
        var two = await world.StartFetcher([.. settings, ("Kuik:Fetcher:Name", "two")]);

        // The replicas take turns: one of these goes to the second.
        for (var i = 0; i < 4; i++)
            await world.Announce(new FetchDue(image, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow));
        var first = await world.LeaseUntil(image);
        await Eventually.True(() => two.Log.Contains("HeldByAnother", StringComparison.Ordinal),
            "the second replica has left the image to the first");
        await Eventually.True(async () => await world.LeaseUntil(image) > first?.AddSeconds(4), "the lease was renewed more than once");
        goOn.SetResult();
        await world.Recorded<ImageCached>(image);

        Assert.Equal("one", Assert.Single((await world.Events(image)).OfType<ImageFetchStarted>()).By);
        Assert.Single((await world.Events(image)).OfType<ImageCached>());
    }

    [Fact]
    public async Task A_replica_that_is_killed_in_the_middle_of_a_copy_goes_on_after_its_restart_and_no_partial_blob_is_served()
    {
        await using var world = await FetcherWorld.Start();
        var slow = await Front.Start(world.Origin, bytesPerSecond: 200_000);
        var content = TestImage.Small(seed: 7, size: 2_000_000);
        await world.Origin.Push("team/app", "1", content);
        var image = $"{slow.Host}/team/app:1";
        var fetcher = await world.StartFetcher(("Kuik:InsecureRegistries:0", $"http://{slow.Host}"));
        await world.Request(image);
        await world.Recorded<ImageFetchStarted>(image);
        await Eventually.True(() => world.SpooledBytes() > 100_000, "the copy is in the middle of a blob");

        fetcher.Kill();
        var large = content.Layers.MaxBy(layer => layer.Bytes.Length)!;
        var between = await world.BlobInCache(image, large.Digest);
        await slow.Limit(null);
        await fetcher.Restart();
        await world.Recorded<ImageCached>(image);

        Assert.Null(between);
        Assert.Equal(content.Bytes, await world.InCache(image));
        Assert.Equal(large.Bytes, await world.BlobInCache(image, large.Digest));
    }

    [Fact]
    public async Task A_replica_that_is_told_to_stop_gives_its_image_back_at_once()
    {
        await using var world = await FetcherWorld.Start();
        var slow = await Front.Start(world.Origin, bytesPerSecond: 50_000);
        await world.Origin.Push("team/app", "1", TestImage.Small(seed: 8, size: 2_000_000));
        var image = $"{slow.Host}/team/app:1";
        (string, string?)[] settings = [("Kuik:InsecureRegistries:0", $"http://{slow.Host}"), ("Kuik:Fetch:Lease", "01:00:00")];
        var one = await world.StartFetcher([.. settings, ("Kuik:Fetcher:Name", "one")]);
        await world.Request(image);
        await world.Recorded<ImageFetchStarted>(image, started => started.By == "one");
        await world.StartFetcher([.. settings, ("Kuik:Fetcher:Name", "two")]);

        await one.Stop();
        await slow.Limit(null);
        await world.Recorded<ImageCached>(image);

        Assert.Equal("two", (await world.Recorded<ImageFetchStarted>(image)).By);
    }

    /// <summary>With the real expiry service, which announces again what is still open.</summary>
    [Fact]
    public async Task When_the_broker_loses_its_data_under_a_backlog_every_image_is_cached_all_the_same()
    {
        var rabbit = await RabbitMq.StartOwn();
        await using var world = await FetcherWorld.Start(rabbit: rabbit);
        var slow = await Front.Start(world.Origin, bytesPerSecond: 100_000);
        var images = new List<string>();
        for (var i = 0; i < 20; i++)
        {
            await world.Origin.Push($"team/app-{i}", "1", TestImage.Small(seed: 300 + i, size: 100_000));
            images.Add($"{slow.Host}/team/app-{i}:1");
        }
        await world.StartFetcher(("Kuik:InsecureRegistries:0", $"http://{slow.Host}"), ("Kuik:Fetch:MaxConcurrentImages", "1"));
        await Task.WhenAll(images.Select(world.Request));
        await Eventually.True(() => world.SpooledBytes() > 10_000, "the first copy is under way");
        var openBefore = await world.NotCached(images);

        await rabbit.StartWithoutData(world.Broker);
        await slow.Limit(null);
        await world.StartExpiry(("Kuik:RequestLease", "00:00:05"), ("Kuik:SweepInterval", "00:00:01"));
        await Eventually.True(async () => (await world.NotCached(images)).Count == 0, "all images were cached",
            within: TimeSpan.FromMinutes(3));

        Assert.True(openBefore.Count > 15, $"{openBefore.Count} of 20 were waiting");
        foreach (var image in images)
            Assert.NotNull(await world.InCache(image));
    }
}
