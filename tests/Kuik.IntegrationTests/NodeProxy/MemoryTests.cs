using System.Net;
using System.Net.Http.Headers;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>node-proxy's answers from memory, with a real registry as the cache.</summary>
public sealed class MemoryTests
{
    private const string Path = "reg.example.com/team/web";
    private const string Long = "00:01:00";
    private const string Short = "00:00:00.2";

    [Fact]
    public async Task A_warm_manifest_is_answered_in_every_way_of_asking_without_the_cache()
    {
        var (cache, image) = (await Registry.Start(), TestImage.Small(seed: 50));
        await cache.Store(Path, "1", image);
        using var http = await Client(cache, ("Kuik:Proxy:MemoryTime", Long));
        await http.GetByteArrayAsync($"/v2/{Path}/manifests/1");
        var asked = cache.Requests().Count;

        foreach (var target in new[] { "1", image.Digest })
        {
            using var whole = await Ask(http, HttpMethod.Get, target);
            using var head = await Ask(http, HttpMethod.Head, target);
            using var part = await Ask(http, HttpMethod.Get, target, headers => headers.Range = new RangeHeaderValue(10, 19));
            using var beyond = await Ask(http, HttpMethod.Get, target, headers => headers.Range = new RangeHeaderValue(1_000_000, null));
            using var known = await Ask(http, HttpMethod.Get, target,
                headers => headers.IfNoneMatch.Add(new EntityTagHeaderValue($"\"{image.Digest}\"")));

            Assert.Equal([200, 200, 206, 416, 304], new[] { whole, head, part, beyond, known }.Select(answer => (int)answer.StatusCode));
            Assert.Equal(image.Bytes, await whole.Content.ReadAsByteArrayAsync());
            Assert.Equal(image.Bytes[10..20], await part.Content.ReadAsByteArrayAsync());
            Assert.Equal(($"bytes 10-19/{image.Bytes.Length}", 10),
                (part.Content.Headers.ContentRange?.ToString(), part.Content.Headers.ContentLength));
            Assert.All([whole, head],
                answer => Assert.Equal((image.MediaType, image.Bytes.Length),
                    (answer.Content.Headers.ContentType?.MediaType, answer.Content.Headers.ContentLength)));
            Assert.All([whole, head, part, known],
                answer => Assert.Equal(image.Digest, answer.Headers.GetValues("Docker-Content-Digest").Single()));
        }
        Assert.Equal(asked, cache.Requests().Count);
    }

    [Fact]
    public async Task A_crowd_that_asks_for_one_manifest_costs_the_cache_one_question()
    {
        var (cache, image) = (await Registry.Start(), TestImage.Small(seed: 51));
        await cache.Store(Path, "1", image);
        using var http = await Client(cache, ("Kuik:Proxy:MemoryTime", Long));
        var asked = cache.Requests().Count;

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => http.GetByteArrayAsync($"/v2/{Path}/manifests/1")));

        Assert.All(answers, answer => Assert.Equal(image.Bytes, answer));
        Assert.Equal(asked + 1, cache.Requests().Count);
    }

    [Fact]
    public async Task With_cache_and_origin_hanging_a_warm_tag_is_answered_without_waiting_for_them()
    {
        var (cache, image) = (await Registry.Start(), TestImage.Small(seed: 52));
        await cache.Store(Path, "1", image);
        using var http = await Client(cache, ("Kuik:Proxy:MemoryTime", Short), ("Kuik:Proxy:CacheLimit", "01:00:00"));
        await http.GetByteArrayAsync($"/v2/{Path}/manifests/1");
        cache.Freeze();   // waiting for it would last an hour
        try
        {
            for (var i = 0; i < 20; i++)
                Assert.Equal(image.Bytes, await http.GetByteArrayAsync($"/v2/{Path}/manifests/1"));
        }
        finally
        {
            cache.Resume();
        }
    }

    [Fact]
    public async Task A_tag_that_moves_and_an_image_that_is_evicted_are_seen()
    {
        var cache = await Registry.Start();
        var (older, newer) = (TestImage.Small(seed: 53), TestImage.Small(seed: 54));
        await cache.Store(Path, "1", older);
        using var http = await Client(cache, ("Kuik:Proxy:MemoryTime", Short));
        Assert.Equal(older.Bytes, await http.GetByteArrayAsync($"/v2/{Path}/manifests/1"));

        await cache.Store(Path, "1", newer);
        await Eventually.True(async () => (await http.GetByteArrayAsync($"/v2/{Path}/manifests/1")).AsSpan().SequenceEqual(newer.Bytes),
            "the tag's new image is served");
        await cache.Bury(Path, "1");
        await Eventually.True(async () => await Status(http, "1") is HttpStatusCode.BadGateway, "the evicted image is served no more");
    }

    [Fact]
    public async Task A_refusal_of_image_fetcher_does_not_hide_what_is_cached_then()
    {
        var (cache, image) = (await Registry.Start(), TestImage.Small(seed: 55));
        await using var fetcher = await ScriptedServer.Saying(404);   // the real one would go on to a real origin
        using var http = await Client(cache, fetcher.Endpoint, ("Kuik:Proxy:MissTime", Short));
        Assert.Equal(HttpStatusCode.NotFound, await Status(http, "1"));

        await cache.Store(Path, "1", image);

        await Eventually.True(async () => await Status(http, "1") is HttpStatusCode.OK, "what has been cached is served");
    }

    private static Task<HttpClient> Client(Registry cache, params (string, string)[] settings) => Client(cache, null, settings);

    private static async Task<HttpClient> Client(Registry cache, Uri? fetcher, params (string, string)[] settings) =>
        new() { BaseAddress = (await StartNodeProxy.With(cache.Endpoint, fetcher, origin: null, settings)).Endpoint };

    private static async Task<HttpStatusCode> Status(HttpClient http, string target)
    {
        using var answer = await Ask(http, HttpMethod.Get, target);
        return answer.StatusCode;
    }

    private static async Task<HttpResponseMessage> Ask(HttpClient http, HttpMethod method, string target,
        Action<HttpRequestHeaders>? with = null)
    {
        using var ask = new HttpRequestMessage(method, $"/v2/{Path}/manifests/{target}");
        with?.Invoke(ask.Headers);
        return await http.SendAsync(ask);
    }
}
