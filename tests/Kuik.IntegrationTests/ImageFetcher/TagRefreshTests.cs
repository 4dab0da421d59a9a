using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>Cached images follow their origin where people ask for it, and nothing that a pod runs is lost by it.</summary>
public sealed class TagRefreshTests
{
    [Fact]
    public async Task A_tag_that_moved_is_copied_when_a_person_asks_and_the_previous_digest_stays_while_a_pod_runs_it()
    {
        await using var world = await FetcherWorld.Start();
        var (first, second) = (TestImage.Small(seed: 70), TestImage.Small(seed: 71));
        var image = await world.Origin.Push("team/app", "1", first);
        await world.StartFetcher();
        await world.Request(image);
        var pod = await world.AddRunningPod("default", image, first.Digest);
        await world.Recorded<ImageCached>(image);

        await world.Origin.Push("team/app", "1", second);
        await world.Append(image, new RefreshRequested(image, DateTimeOffset.UtcNow));
        var moved = await world.Recorded<TagMoved>(image);
        Assert.Equal((first.Digest, second.Digest, 1L), (moved.PreviousDigest, moved.Digest, moved.Attempt));
        Assert.Equal(second.Bytes, await world.InCache(image));

        await world.Sweep(image);   // as after an eviction from the repository
        Assert.Equal(first.Bytes, await world.InCache(image, first.Digest));

        await world.RemovePod(pod);
        await world.Sweep(image);
        Assert.Null(await world.InCache(image, first.Digest));
        Assert.Equal(second.Bytes, await world.InCache(image));
    }

    [Fact]
    public async Task An_image_that_is_gone_at_its_origin_stays_and_a_repository_with_an_interval_is_compared_by_itself()
    {
        await using var world = await FetcherWorld.Start();
        var (kept, content) = (TestImage.Small(seed: 72), TestImage.Small(seed: 73));
        var image = await world.Origin.Push("team/app", "1", kept);
        await world.StartFetcher();
        await world.Request(image);
        await world.Recorded<ImageCached>(image);

        Directory.Delete(Path.Combine(world.Origin.DataFolder, "docker/registry/v2/repositories/team/app/_manifests"), recursive: true);
        await world.Append(image, new RefreshRequested(image, DateTimeOffset.UtcNow));
        var gone = await world.Recorded<OriginChecked>(image);
        Assert.Equal(OriginAnswers.Gone, gone.Answer);
        Assert.Equal(kept.Bytes, await world.InCache(image));

        await world.Origin.Push("team/app", "1", content);
        await world.Configure(ImageReference.Parse(image).Name, TimeSpan.FromMilliseconds(1));
        Assert.Equal(content.Digest, (await world.Recorded<TagMoved>(image)).Digest);
    }
}
