using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>The deletions of a sweep, and its refusals, at a real registry with damaged storage.</summary>
public sealed class RepositorySweeperTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Evicting_one_tag_keeps_the_children_of_another_whose_index_cannot_be_read()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 940);
        var name = await origin.Push("team/web", "1", index);
        var other = await origin.Push("team/web", "2", TestImage.Small(seed: 941));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        await engine.Copy(other);
        await DeleteBlob(cache, name, index.Digest);   // the index in its wrapper: a store that has lost one small object

        var sweep = await Evict(engine, other);

        Assert.Contains(index.Digest, sweep.Doubt, StringComparison.Ordinal);
        Assert.NotNull(await cache.Manifest(name, index.Child("linux/amd64").Digest));
        Assert.DoesNotContain("2", await cache.Tags(name));
    }

    [Fact]
    public async Task A_tag_that_is_listed_and_not_there_stops_the_deleting()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var (lost, evicted) = (TestImage.Small(seed: 942), TestImage.Small(seed: 943));
        var (name, other) = (await origin.Push("team/web", "1", lost), await origin.Push("team/web", "2", evicted));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        await engine.Copy(other);
        File.Delete(Revision(cache, name, lost.Digest));

        var sweep = await Evict(engine, other);

        Assert.Equal("the tag 1 is listed, and nothing is there", sweep.Doubt);
        Assert.Contains(CacheTags.OfManifest(evicted.Digest), await cache.Tags(name));
    }

    [Fact]
    public async Task A_child_that_is_listed_as_stored_and_cannot_be_read_stops_the_deleting()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var (index, evicted) = (TestIndex.Small(seed: 944), TestImage.Small(seed: 945));
        var (name, other) = (await origin.Push("team/web", "1", index), await origin.Push("team/web", "2", evicted));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        await engine.Copy(other);
        File.Delete(Revision(cache, name, index.Child("linux/amd64").Digest));

        var sweep = await Evict(engine, other);

        Assert.Contains(index.Child("linux/amd64").Digest, sweep.Doubt, StringComparison.Ordinal);
        Assert.Contains(CacheTags.OfManifest(evicted.Digest), await cache.Tags(name));
    }

    [Fact]
    public async Task What_was_kept_in_doubt_goes_with_the_first_sweep_after_the_image_has_been_copied_again()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 946);
        var name = await origin.Push("team/web", "1", index);
        var other = await origin.Push("team/web", "2", TestImage.Small(seed: 947));
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        await engine.Copy(other);
        await DeleteBlob(cache, name, index.Digest);
        await Evict(engine, other);

        using (var http = cache.Client(PathOf(name)))
        using (var wrapper = new ByteArrayContent(index.Bytes))
            await PushBlob(http, name, index.Digest, wrapper);
        var sweep = await engine.RepositorySweeper.Sweep(PathOf(name), [], Stop);

        Assert.Equal(new Sweep(1, null), sweep);
        await cache.AssertHas(name, index, "linux/amd64");
    }

    /// <summary>Half of the tags are evicted: the requests for each of them do not grow with the number of the others.</summary>
    [Theory]
    [InlineData(20)]
    [InlineData(80)]
    public async Task Evictions_and_one_sweep_cost_a_few_requests_for_each_tag(int tags)
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        var names = await CopyMany(origin, engine, tags);
        var before = cache.Requests().Count;

        foreach (var name in names.Take(tags / 2))
            await engine.TagEviction.Evict(ImageReference.Parse(name), _ => Task.FromResult(true), Stop);
        var sweep = await engine.RepositorySweeper.Sweep(PathOf(names[0]), [], Stop);

        var requests = cache.Requests().Count - before;
        TestContext.Current.TestOutputHelper?.WriteLine($"{requests} requests for {tags / 2} evictions from {tags} tags and one sweep");
        Assert.Equal(new Sweep(tags / 2, null), sweep);
        Assert.InRange(requests, 1, 7 * tags + 10);
    }

    [Theory]
    [InlineData(20)]
    [InlineData(80)]
    public async Task A_pull_by_digest_does_not_read_every_manifest_of_the_repository_again(int tags)
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var client = engine.Client();
        await CopyMany(origin, engine, tags);
        var requests = new List<int>();
        for (var pull = 0; pull < 3; pull++)
        {
            var image = TestImage.Small(seed: 960 + pull, size: 1000);
            var name = await origin.Push("team/web", null, image);
            var before = cache.Requests().Count;
            using var answer = await client.Ask(HttpMethod.Get, name, "manifests/" + image.Digest);
            var pin = "/manifests/" + CacheTags.OfPin(image.Digest);
            await Eventually.True(() => cache.Requests().Any(request =>
                request.Method == "PUT" && request.Path.EndsWith(pin, StringComparison.Ordinal)), "it is copied");
            requests.Add(cache.Requests().Count - before);
        }

        var counts = string.Join(", ", requests);
        TestContext.Current.TestOutputHelper?.WriteLine($"{counts} requests for pulls by digest in a repository of {tags} tags");
        Assert.InRange(requests[1], 1, 30);
        Assert.InRange(requests[2], 1, 30);
    }

    [Fact]
    public async Task A_child_of_an_index_that_came_into_the_cache_since_the_last_pull_is_known_as_its_child()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var (index, other) = (TestIndex.Small(seed: 970), TestImage.Small(seed: 971));
        var name = await origin.Push("team/web", "1", index);
        var byDigest = await origin.Push("team/web", null, other);
        await using var copier = await StartEngine.Run(cache, [origin.Host]);
        await using var puller = await StartEngine.Run(cache, [origin.Host]);
        using var client = puller.Client();
        (await client.Ask(HttpMethod.Get, byDigest, "manifests/" + other.Digest)).Dispose();
        await Eventually.True(async () =>
            await cache.Manifest(byDigest, CacheTags.OfPin(other.Digest)) is not null, "the repository has been read once");
        await copier.Copy(name);

        var child = index.Child("linux/arm64");
        (await client.Ask(HttpMethod.Get, name, "manifests/" + child.Digest)).Dispose();

        await Eventually.True(async () => await cache.Manifest(name, child.Digest) is not null, "it is kept");
        Assert.DoesNotContain(CacheTags.OfPin(child.Digest), await cache.Tags(name));
    }

    private static async Task<Sweep> Evict(StartEngine engine, string name)
    {
        await engine.TagEviction.Evict(ImageReference.Parse(name), _ => Task.FromResult(true), Stop);
        return await engine.RepositorySweeper.Sweep(PathOf(name), [], Stop);
    }

    private static async Task<IReadOnlyList<string>> CopyMany(Registry origin, StartEngine engine, int tags)
    {
        var layer = TestLayer.Random(950, 1000);
        var names = new List<string>();
        for (var i = 0; i < tags; i++)
            names.Add(await origin.Push("team/web", $"v{i}", TestImage.Of([layer, TestLayer.Random(10_000 + i, 100)])));
        foreach (var name in names)
            await engine.Copy(name);
        return names;
    }

    private static async Task DeleteBlob(Registry cache, string name, string digest)
    {
        using var http = cache.Client(PathOf(name));
        using var answer = await http.DeleteAsync(new Uri($"/v2/{PathOf(name)}/blobs/{digest}", UriKind.Relative), Stop);
        answer.EnsureSuccessStatusCode();
    }

    private static async Task PushBlob(HttpClient http, string name, string digest, HttpContent content)
    {
        using var begun = await http.PostAsync(new Uri($"/v2/{PathOf(name)}/blobs/uploads/", UriKind.Relative), null, Stop);
        using var ended = await http.PutAsync(new Uri($"{begun.Headers.Location}&digest={digest}"), content, Stop);
        ended.EnsureSuccessStatusCode();
    }

    private static string PathOf(string name) => CachePath.Of(ImageReference.Parse(name));

    private static string Revision(Registry cache, string name, string digest) =>
        Path.Combine(cache.DataFolder, "docker/registry/v2/repositories", PathOf(name), "_manifests/revisions/sha256",
            digest["sha256:".Length..], "link");
}
