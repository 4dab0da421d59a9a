using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>Damaged files in the registry's volume, the real registry beside them.</summary>
public sealed class RegistryScrubberTests
{
    [Fact]
    public async Task Damaged_blobs_and_manifests_are_moved_away_and_copied_again()
    {
        await using var world = await FetcherWorld.Start();
        var content = TestImage.Small(seed: 70);
        var (image, layer) = (await world.Origin.Push("team/app", "1", content), content.Layers[0].Digest);
        var whole = await world.Origin.Push("team/whole", "1", TestImage.Small(seed: 71));
        await world.StartFetcher();
        await world.Request(image);
        await world.Request(whole);
        await world.Recorded<ImageCached>(image);
        await world.Recorded<ImageCached>(whole);
        foreach (var digest in new[] { layer, content.Digest })
            await Damage(FileOf(world, digest));

        var scrubber = await Scrub(world.Database, world.Cache.DataFolder);
        Assert.True(await scrubber.Ended() == 0, scrubber.Log);
        await world.StartFetcher(("Kuik:Verify:Interval", "00:00:01"));
        await world.Recorded<ImageCached>(image, cached => cached.Attempt == 2);

        Assert.Equal(content.Bytes, await world.InCache(image));
        Assert.Equal(layer, TestBlob.DigestOf((await world.BlobInCache(image, layer))!));
        Assert.True(File.Exists(Path.Combine(world.Cache.DataFolder, "kuik-quarantine", layer.Replace(':', '-'))));
        Assert.Empty((await world.Events(whole)).OfType<ImageLost>());
        Assert.Contains($"blob {layer} is damaged", scrubber.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_scrub_that_is_stopped_has_made_the_images_due_of_the_blobs_that_it_moved_away()
    {
        await using var world = await FetcherWorld.Start();
        var content = TestImage.Of([.. Enumerable.Range(0, 12).Select(number => TestLayer.Random(seed: 80 + number, 1_000_000))]);
        var image = await world.Origin.Push("team/app", "1", content);
        await world.StartFetcher();
        await world.Request(image);
        await world.Recorded<ImageCached>(image);
        foreach (var layer in content.Layers)
            await Damage(FileOf(world, layer.Digest));

        var scrubber = await Scrub(world.Database, world.Cache.DataFolder, ("Kuik:Scrub:BytesPerSecond", "1M"));
        await Eventually.True(() => scrubber.Log.Contains("is damaged", StringComparison.Ordinal), "a damaged blob was found");
        scrubber.Kill();   // without a chance to end in order

        await Eventually.True(async () => await world.IsVerifiedWithin(image, TimeSpan.FromMinutes(11)), "the image is due soon");
    }

    [Fact]
    public async Task A_folder_that_is_not_there_ends_it_with_the_setting_in_the_message()
    {
        var scrubber = await Scrub(await (await Postgres.Shared()).NewDatabase(), "/no/such/folder");

        Assert.Equal(78, await scrubber.Ended());
        Assert.Contains("Kuik:Scrub:Folder: \"/no/such/folder\" is not accepted", scrubber.Log, StringComparison.Ordinal);
    }

    private static Task<KuikService> Scrub(string database, string folder, params (string Key, string? Value)[] more)
    {
        var settings = new Dictionary<string, string?> { ["ConnectionStrings:Postgres"] = database, ["Kuik:Scrub:Folder"] = folder };
        foreach (var (key, value) in more)
            settings[key] = value;
        return KuikService.Start("ImageFetcher", new KuikServiceOptions { Arguments = ["scrub"], WaitFor = null, Settings = settings });
    }

    private static string FileOf(FetcherWorld world, string digest) =>
        Path.Combine(world.Cache.DataFolder, "docker/registry/v2/blobs/sha256", digest[7..9], digest[7..], "data");

    // The length stays: a registry compares nothing else.
    private static async Task Damage(string file)
    {
        var bytes = await File.ReadAllBytesAsync(file);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(file, bytes);
    }
}
