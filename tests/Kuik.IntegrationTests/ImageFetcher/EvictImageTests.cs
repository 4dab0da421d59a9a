using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>From an expired image to a cache without its tag; the test takes pod-watcher's part, which decides that it expired.</summary>
public sealed class EvictImageTests
{
    [Fact]
    public async Task An_expired_image_leaves_the_cache_and_its_sibling_with_the_same_digest_stays()
    {
        await using var world = await FetcherWorld.Start();
        await world.StartFetcher();
        var content = TestImage.Small(seed: 30);
        var (image, sibling) = (await world.Origin.Push("team/app", "1", content), await world.Origin.Push("team/app", "latest", content));
        await CacheAll(world, image, sibling);

        await world.Append(image, new ImageExpired(image, DateTimeOffset.UtcNow));
        await world.Recorded<ImageEvicted>(image);

        Assert.Null(await world.InCache(image));
        Assert.Equal(content.Bytes, await world.InCache(sibling));
        Assert.Equal(content.Bytes, await world.InCache(sibling, content.Digest));
        Assert.Equal([typeof(ImageExpired), typeof(ImageEvictionStarted), typeof(ImageEvicted)],
            (await world.Events(image)).TakeLast(3).Select(fact => fact.GetType()));
    }

    [Fact]
    public async Task The_last_tag_of_an_index_takes_its_children_along()
    {
        await using var world = await FetcherWorld.Start();
        await world.StartFetcher();
        var content = TestIndex.Small(seed: 31);
        var image = await world.Origin.Push("team/app", "1", content);
        await CacheAll(world, image);

        await world.Append(image, new ImageExpired(image, DateTimeOffset.UtcNow));
        await world.Recorded<ImageEvicted>(image);

        Assert.Null(await world.InCache(image));
        await Eventually.True(async () => await world.InCache(image, content.Child("linux/amd64").Digest) is null,
            "the repository is swept when its evictions have gone quiet");
    }

    [Fact]
    public async Task A_replica_that_is_killed_between_an_eviction_and_its_sweep_leaves_the_sweep_to_another()
    {
        await using var world = await FetcherWorld.Start();
        var fetcher = await world.StartFetcher();
        var content = TestIndex.Small(seed: 35);
        var image = await world.Origin.Push("team/app", "1", content);
        await CacheAll(world, image);
        await world.Append(image, new ImageExpired(image, DateTimeOffset.UtcNow));
        await world.Recorded<ImageEvicted>(image);
        fetcher.Kill();
        Assert.NotNull(await world.InCache(image, content.Child("linux/amd64").Digest));

        await world.StartFetcher();

        await Eventually.True(async () =>
            await world.InCache(image, content.Child("linux/amd64").Digest) is null, "the other replica has swept");
    }

    [Fact]
    public async Task An_image_that_is_asked_for_again_before_its_eviction_stays()
    {
        await using var world = await FetcherWorld.Start();
        var fetcher = await world.StartFetcher();
        var content = TestImage.Small(seed: 32);
        var image = await world.Origin.Push("team/app", "1", content);
        await CacheAll(world, image);

        // The replica is away while both happen, and finds both announced.
        await fetcher.Stop();
        await world.Append(image, new ImageExpired(image, DateTimeOffset.UtcNow),
            new RequestedByPod(image, image, "pod-2", DateTimeOffset.UtcNow));
        await fetcher.Restart();
        await Eventually.True(() =>
            fetcher.Log.Contains($"{image} was announced to be evicted and is left alone: NotExpired", StringComparison.Ordinal),
            "the expiry was seen");
        await Eventually.True(async () => (await world.Events(image)).OfType<ImageCached>().Count() == 2, "the image was cached again");

        Assert.Equal(content.Bytes, await world.InCache(image));
        Assert.Empty((await world.Events(image)).OfType<ImageEvicted>());
        Assert.All(world.Origin.BlobDownloads(), downloads => Assert.Equal(1, downloads.Value));
    }

    /// <summary>Takes expiry's part too: it announces the eviction again.</summary>
    [Fact]
    public async Task An_eviction_that_the_cache_registry_held_up_is_done_when_it_is_announced_again()
    {
        await using var world = await FetcherWorld.Start();
        var fetcher = await world.StartFetcher();
        var image = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 33));
        await CacheAll(world, image);
        await world.Cache.Stop();

        await world.Append(image, new ImageExpired(image, DateTimeOffset.UtcNow));
        var told = $"{image} could not be evicted and is announced again";
        await Eventually.True(() => fetcher.Log.Contains(told, StringComparison.Ordinal), "the failure was logged");
        await world.Cache.Restart();
        await world.Announce(new EvictionDue(image, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow));
        await world.Recorded<ImageEvicted>(image);

        Assert.Null(await world.InCache(image));
    }

    [Fact]
    public async Task An_image_that_expires_while_it_is_copied_does_not_stay()
    {
        await using var world = await FetcherWorld.Start();
        var slow = await Front.Start(world.Origin, bytesPerSecond: 200_000);
        await world.Origin.Push("team/app", "1", TestImage.Small(seed: 34, size: 800_000));
        var image = $"{slow.Host}/team/app:1";
        var fetcher = await world.StartFetcher(("Kuik:InsecureRegistries:0", $"http://{slow.Host}"));
        await world.Request(image);
        await Eventually.True(() => world.SpooledBytes() > 10_000, "the copy is under way");

        await world.Append(image, new ImageExpired(image, DateTimeOffset.UtcNow));
        await world.Recorded<ImageEvicted>(image);
        await Eventually.True(() => fetcher.Log.Contains("is no longer the current one", StringComparison.Ordinal), "the copy ended");

        Assert.Empty((await world.Events(image)).OfType<ImageCached>());
        Assert.Null(await world.InCache(image));
    }

    private static async Task CacheAll(FetcherWorld world, params string[] images)
    {
        foreach (var image in images)
        {
            await world.Request(image);
            await world.Recorded<ImageCached>(image);
        }
    }
}
