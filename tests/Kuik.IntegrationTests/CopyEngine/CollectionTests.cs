using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>While the cache registry's garbage is collected, nothing is written to it, and pulls do not notice.</summary>
public sealed class CollectionTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pull_is_answered_during_a_collection_and_kept_after_it()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 860);
        var name = await origin.Push("team/web", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();
        var collection = new TaskCompletionSource();
        engine.CollectionEnds = collection.Task;

        using var manifest = await client.Ask(HttpMethod.Get, name, "manifests/1");
        using var layer = await client.Ask(HttpMethod.Get, name, "blobs/" + image.Layers[1].Digest);

        Assert.Equal(image.Bytes, await manifest.Content.ReadAsByteArrayAsync(Stop));
        Assert.Equal(image.Layers[1].Bytes, await layer.Content.ReadAsByteArrayAsync(Stop));
        Assert.DoesNotContain(cache.Requests(), request => request.Method is "POST" or "PUT" or "DELETE" or "PATCH");

        collection.SetResult();
        await Eventually.True(async () => await cache.Manifest(name) is not null, "the image is kept");
        await cache.AssertHas(name, image);
    }

    [Fact]
    public async Task An_eviction_and_a_sweep_wait_for_a_collection()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var name = await origin.Push("team/web", "1", TestImage.Small(seed: 861));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        var (collection, before) = (new TaskCompletionSource(), cache.Requests().Count);
        engine.CollectionEnds = collection.Task;

        var eviction = engine.TagEviction.Evict(ImageReference.Parse(name), Stop);
        Assert.False(eviction.IsCompleted);
        Assert.Equal(before, cache.Requests().Count);

        collection.SetResult();
        await eviction;
        Assert.Empty(await cache.Tags(name));
    }
}
