using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>What the cache registry loses by itself is noticed, recorded and copied again; the test damages the registry's
/// volume.</summary>
public sealed class CacheVerificationTests
{
    private static readonly (string, string?) EverySecond = ("Kuik:Verify:Interval", "00:00:01");

    [Fact]
    public async Task A_blob_that_is_missing_from_the_volume_is_found_and_copied_again()
    {
        await using var world = await FetcherWorld.Start();
        var content = TestImage.Small(seed: 40);
        var (image, blob) = (await world.Origin.Push("team/app", "1", content), content.Layers[0].Digest);
        await CacheAll(world, image);
        await world.StartFetcher(EverySecond);

        Delete(world, blob);
        var lost = await world.Recorded<ImageLost>(image);
        await world.Recorded<ImageCached>(image, cached => cached.Attempt == 2);

        Assert.Equal($"the cache registry has lost the blob {blob} of {CachePath.Of(ImageReference.Parse(image))}", lost.Reason);
        Assert.Equal((content.Digest, "verification", 1L), (lost.Digest, lost.NoticedBy, lost.Attempt));
        Assert.NotNull(await world.BlobInCache(image, blob));
    }

    [Fact]
    public async Task A_child_of_an_index_that_is_missing_is_found_and_copied_again()
    {
        await using var world = await FetcherWorld.Start();
        var content = TestIndex.Small(seed: 41);
        var (image, child) = (await world.Origin.Push("team/app", "1", content), content.Child("linux/amd64"));
        await CacheAll(world, image);
        await world.StartFetcher(EverySecond);

        Delete(world, child.Digest);
        var lost = await world.Recorded<ImageLost>(image);
        await world.Recorded<ImageCached>(image, cached => cached.Attempt == 2);

        Assert.Equal($"the cache registry has lost the manifest {child.Digest} of {image}", lost.Reason);
        Assert.Equal(child.Bytes, await world.InCache(image, child.Digest));
    }

    [Fact]
    public async Task A_wiped_registry_is_found_out_by_one_look_long_before_the_interval_is_over_and_refilled()
    {
        await using var world = await FetcherWorld.Start();
        var images = new List<string>();
        for (var number = 0; number < 12; number++)
            images.Add(await world.Origin.Push($"team/app-{number % 3}", $"{number}", TestImage.Small(seed: 50 + number)));
        await CacheAll(world, [.. images]);

        var fetcher = await world.StartFetcher();   // looks once a day
        // The first transaction of a process takes seconds on a busy machine: a pull would have copied the image again before its look.
        var other = await world.Origin.Push("team/other", "1", TestImage.Small(seed: 49));
        await FetcherWorld.Pull(fetcher, other, $"manifests/{ImageReference.Parse(other).Target}");
        await world.Recorded<RequestedByPull>(other);
        Directory.Delete(world.Cache.DataFolder, recursive: true);
        await FetcherWorld.Pull(fetcher, images[0], $"manifests/{ImageReference.Parse(images[0]).Target}");

        foreach (var image in images)
        {
            var lost = await world.Recorded<ImageLost>(image);
            await world.Recorded<ImageCached>(image, cached => cached.Attempt == 2);
            Assert.Equal(image == images[0] ? "pull" : "verification", lost.NoticedBy);
            Assert.NotNull(await world.InCache(image));
        }
    }

    [Fact]
    public async Task Nothing_is_taken_for_lost_while_the_registry_does_not_answer_and_a_whole_image_never_is()
    {
        await using var world = await FetcherWorld.Start();
        var image = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 42));
        await CacheAll(world, image);
        await world.Cache.Stop();

        var fetcher = await world.StartFetcher(null, EverySecond);
        await Eventually.True(
            () => fetcher.Log.Contains("the cache is not compared with the event log until this is over", StringComparison.Ordinal),
            "the failed look is logged");
        await world.Cache.Restart();
        using var http = new HttpClient { BaseAddress = fetcher.Health };
        await Eventually.True(
            async () => (await http.GetStringAsync(new Uri("/metrics", UriKind.Relative))).Split('\n').Any(IsWhole),
            "the image was looked at");

        Assert.Empty((await world.Events(image)).OfType<ImageLost>());
    }

    [Fact]
    public async Task What_the_cache_holds_is_recorded_again_after_the_loss_of_the_log_while_the_origin_is_away()
    {
        await using var world = await FetcherWorld.Start();
        var (content, index) = (TestImage.Small(seed: 43), TestIndex.Small(seed: 44));
        var (unused, used) = (await world.Origin.Push("team/app", "1", content), await world.Origin.Push("team/index", "1", index));
        await CacheAll(world, unused, used);
        await world.LoseLog();
        await world.Origin.Stop();

        await world.Request(used);
        await world.StartFetcher(EverySecond);

        Assert.Equal(content.Digest, (await world.Recorded<ImageAdopted>(unused)).Digest);
        var adopted = await world.Recorded<ImageAdopted>(used);
        Assert.Equal((index.Digest, "linux/amd64"), (adopted.Digest, Assert.Single(adopted.Platforms)));
        Assert.Single(await world.Events(unused));
    }

    /// <summary>Cached by a replica that is gone before the test damages anything.</summary>
    private static async Task CacheAll(FetcherWorld world, params string[] images)
    {
        var fetcher = await world.StartFetcher();
        foreach (var image in images)
            await world.Request(image);
        foreach (var image in images)
            await world.Recorded<ImageCached>(image);
        await fetcher.Stop();
    }

    private static bool IsWhole(string metric) =>
        metric.StartsWith("kuik_fetcher_verifications_total{", StringComparison.Ordinal)
        && metric.Contains("outcome=\"whole\"", StringComparison.Ordinal) && !metric.EndsWith(" 0", StringComparison.Ordinal);

    private static void Delete(FetcherWorld world, string digest) => File.Delete(
        Path.Combine(world.Cache.DataFolder, "docker/registry/v2/blobs/sha256", digest[7..9], digest[7..], "data"));
}
