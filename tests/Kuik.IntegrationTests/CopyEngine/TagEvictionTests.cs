using Kuik.Contracts;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

public class TagEvictionTests
{
    [Fact]
    public async Task An_evicted_image_is_gone_with_its_children_and_its_bytes_go_with_the_registrys_garbage()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 60);
        var name = await origin.Push("team/web", "1", index);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);

        await Evict(engine, name);

        Assert.Empty(await cache.Tags(name));
        await cache.CollectGarbage();
        foreach (var child in index.Children)
            Assert.Null(await cache.Blob(name, child.Layers[1].Digest));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_sibling_tag_of_the_same_single_manifest_stays_pullable_and_its_own_eviction_frees_it(bool canDeleteTags)
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        await using var front = canDeleteTags ? await TagDeletingFront.Start(cache) : null;
        var image = TestImage.Small(seed: 70);
        var (sibling, name) = (await origin.Push("team/web", "1.25.3", image), await origin.Push("team/web", "1.25", image));
        await using var engine =
            await StartEngine.Run(cache, [origin.Host], null, ("Kuik:Cache:Endpoint", front?.Endpoint ?? cache.Endpoint.ToString()));
        await engine.Copy(name);
        await engine.Copy(sibling);

        await Evict(engine, name);
        await cache.CollectGarbage(deleteUntagged: true);
        await cache.AssertHas(sibling, image);
        Assert.Equal(new[] { "1.25.3", CacheTags.OfManifest(image.Digest) }.Order(StringComparer.Ordinal), await cache.Tags(sibling));

        await Evict(engine, sibling);
        await cache.CollectGarbage();
        Assert.Empty(await cache.Tags(sibling));
        Assert.Null(await cache.Blob(sibling, image.Layers[1].Digest));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_sibling_tag_of_the_same_digest_stays_pullable_through_a_garbage_collection(bool canDeleteTags)
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        await using var front = canDeleteTags ? await TagDeletingFront.Start(cache) : null;
        var index = TestIndex.Small(seed: 61);
        var (sibling, name) = (await origin.Push("team/web", "1.25.3", index), await origin.Push("team/web", "1.25", index));
        await using var engine =
            await StartEngine.Run(cache, [origin.Host], null, ("Kuik:Cache:Endpoint", front?.Endpoint ?? cache.Endpoint.ToString()));
        await engine.Copy(sibling);
        await engine.Copy(name);

        await Evict(engine, name);
        await cache.CollectGarbage(deleteUntagged: true);

        Assert.Equal(canDeleteTags ? ["1.25"] : [], front?.Deleted ?? []);
        Assert.DoesNotContain("1.25", await cache.Tags(name));
        await cache.AssertHas(sibling, index, "linux/amd64");
    }

    [Fact]
    public async Task What_two_images_share_stays_for_the_other_and_what_only_the_evicted_one_had_goes()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var shared = TestImage.Small(seed: 62);
        var other = TestImage.Small(seed: 63, platform: "linux/arm64");
        var (kept, evicted) = (TestIndex.Of([shared]), TestIndex.Of([shared, other]));
        var (keptName, evictedName) = (await origin.Push("team/web", "kept", kept), await origin.Push("team/web", "evicted", evicted));
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, ("Kuik:Platforms", "linux/amd64,linux/arm64"));
        await engine.Copy(keptName);
        await engine.Copy(evictedName);

        await Evict(engine, evictedName);
        await cache.CollectGarbage(deleteUntagged: true);

        await cache.AssertHas(keptName, kept, "linux/amd64");
        Assert.Equal(new[] { "kept", CacheTags.OfManifest(kept.Digest), CacheTags.OfManifest(shared.Digest) }.Order(StringComparer.Ordinal),
            await cache.Tags(keptName));
        Assert.Null(await cache.Blob(keptName, other.Layers[1].Digest));
    }

    [Fact]
    public async Task A_pin_and_a_tag_of_the_same_digest_do_not_touch_each_other()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 64);
        var (byTag, byDigest) = (await origin.Push("team/web", "1", image), await origin.Push("team/web", null, image));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(byTag);
        await engine.Copy(byDigest);

        await Evict(engine, byDigest);
        await cache.AssertHas(byTag, image);
        await engine.Copy(byDigest);
        await Evict(engine, byTag);
        await cache.AssertHas(byDigest, image);
    }

    [Fact]
    public async Task An_image_can_be_evicted_twice_and_copied_again()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 65);
        var name = await origin.Push("team/web", "1", index);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);

        await Evict(engine, name);
        await Evict(engine, name);
        await cache.CollectGarbage();
        await engine.Copy(name);

        await cache.AssertHas(name, index, "linux/amd64");
    }

    [Fact]
    public async Task Evicting_what_was_never_copied_leaves_nothing_behind()
    {
        var cache = await Registry.Start();
        await using var engine = await StartEngine.Run(cache, []);

        await Evict(engine, "registry.example/team/never:1");

        Assert.DoesNotContain(cache.Requests(), request => request.Method is "PUT" or "POST");
    }

    [Fact]
    public async Task What_an_interrupted_eviction_left_under_its_tag_goes_with_the_next_one()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 68);
        var (name, other) = (await origin.Push("team/web", "1", image), await origin.Push("team/web", "2", TestImage.Small(seed: 69)));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        await engine.Copy(other);
        var repository = CachePath.Of(ImageReference.Parse(name));
        using (var http = cache.Client(repository))
            await PushImage.PushManifest(http, repository, "1", MediaTypes.OciManifest, new Tombstone(repository, "1").ToManifest());

        await Evict(engine, other);

        Assert.Empty(await cache.Tags(name));
    }

    [Fact]
    public async Task An_image_that_is_wanted_again_at_the_last_moment_stays()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 66);
        var name = await origin.Push("team/web", "1", image);
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);

        var isEvicted = await engine.TagEviction.Evict(ImageReference.Parse(name), _ => Task.FromResult(false),
            TestContext.Current.CancellationToken);

        Assert.False(isEvicted);
        await cache.AssertHas(name, image);
    }

    [Fact]
    public async Task Copies_and_evictions_at_once_leave_every_kept_image_whole()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var shared = TestLayer.Random(67, 100_000);
        var images = Enumerable.Range(0, 6).Select(i => TestIndex.Of([TestImage.Of([shared, TestLayer.Random(200 + i, 5_000)])])).ToList();
        var names = new List<string>();
        foreach (var image in images)   // one after the other: distribution stumbles over uploads of one blob into one repository at once
            names.Add(await origin.Push("team/web", $"v{names.Count}", image));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await Task.WhenAll(names.Take(3).Select(engine.Copy));

        await Task.WhenAll(names.Take(3).Select(name => Evict(engine, name)).Concat(names.Skip(3).Select(engine.Copy)));
        await cache.CollectGarbage(deleteUntagged: true);

        for (var i = 3; i < 6; i++)
            await cache.AssertHas(names[i], images[i], "linux/amd64");
        Assert.Equal(9, (await cache.Tags(names[0])).Count);   // of each image: its tag, its index, its child
    }

    private static Task Evict(StartEngine engine, string name) =>
        engine.TagEviction.Evict(ImageReference.Parse(name), TestContext.Current.CancellationToken);
}
