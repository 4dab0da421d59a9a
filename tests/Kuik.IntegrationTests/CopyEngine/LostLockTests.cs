using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>A lock that is lost between a check and the write that relies on it.</summary>
public sealed class LostLockTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_copy_whose_lock_is_lost_before_it_writes_takes_it_again_and_checks_every_part_again()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 800);
        var name = await origin.Push("team/web", "1", index);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        var asked = 0;
        engine.LosesLocks = () => Interlocked.Increment(ref asked) == 3;   // some manifests are written by then

        await engine.Copy(name);

        await cache.AssertHas(name, index, "linux/amd64");
        var layer = index.Child("linux/amd64").Layers[1].Digest;
        // missing, there, and there again
        Assert.Equal(3, cache.Requests().Count(request =>
            request.Method == "HEAD" && request.Path.EndsWith("/blobs/" + layer, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_copy_whose_lock_is_lost_again_and_again_fails_and_writes_no_tag()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var name = await origin.Push("team/web", "1", TestImage.Small(seed: 801));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        engine.LosesLocks = () => true;

        var failed = await Assert.ThrowsAsync<CopyException>(() => engine.Copy(name));

        Assert.Equal((CopyException.Cache, true), (failed.Kind, failed.RetryHelps));
        Assert.DoesNotContain(cache.Requests(), request =>
            request.Method == "PUT" && request.Path.Contains("/manifests/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_eviction_whose_lock_is_lost_deletes_nothing()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 802);
        var name = await origin.Push("team/web", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        engine.LosesLocks = () => true;

        var failed = await Assert.ThrowsAsync<CopyException>(() => engine.TagEviction.Evict(ImageReference.Parse(name), Stop));

        Assert.True(failed.RetryHelps);
        await cache.AssertHas(name, image);
    }

    [Fact]
    public async Task A_sweep_whose_lock_is_lost_between_two_deletions_ends_there()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var names = new List<string>();
        for (var i = 0; i < 3; i++)
            names.Add(await origin.Push("team/web", $"v{i}", TestImage.Small(seed: 803 + i)));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        foreach (var name in names)
            await engine.Copy(name);
        foreach (var name in names)
            await engine.TagEviction.Evict(ImageReference.Parse(name), _ => Task.FromResult(true), Stop);
        var asked = 0;
        engine.LosesLocks = () => Interlocked.Increment(ref asked) == 3;   // before the sweep, before its first deletion, before the second

        var repository = CachePath.Of(ImageReference.Parse(names[0]));
        await Assert.ThrowsAsync<CopyException>(() => engine.RepositorySweeper.Sweep(repository, [], Stop));

        Assert.Equal(2, (await cache.Tags(names[0])).Count);
        engine.LosesLocks = null;
        Assert.Equal(new Sweep(2, null), await engine.RepositorySweeper.Sweep(repository, [], Stop));
        Assert.Empty(await cache.Tags(names[0]));
    }
}
