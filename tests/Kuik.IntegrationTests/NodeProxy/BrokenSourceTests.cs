using System.Net.Http.Headers;
using Kuik.NodeProxy;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>
/// A source that breaks off or sends wrong bytes ends in the right bytes or in a broken connection, never in a clean end of anything else.
/// The cache is a script, because a real registry does none of this on command; the origin is real.
/// </summary>
public sealed class BrokenSourceTests
{
    private const int Size = 3_000_000;
    private static readonly TestImage Image = TestImage.Small(seed: 40, Size);
    private static readonly TestBlob Layer = Image.Layers[^1];

    /// <summary>Before the head, around the sizes of buffers, and one byte before the end.</summary>
    public static TheoryData<int> Breaks =>
        [0, 1, 4096, 65_536, BlobRelay.HeldBack, BlobRelay.Chunk, BlobRelay.Chunk + 1, 2 * BlobRelay.Chunk, Size, Layer.Bytes.Length - 1];

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task A_body_that_breaks_off_is_continued_from_the_origin_and_the_client_never_notices(int at)
    {
        var origin = await OriginWithTheImage();
        await using var cache = await ScriptedServer.Start(http => ScriptedServer.SendSome(http, Layer.Bytes, at));
        using var client = Client(await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint));

        var bytes = await client.GetByteArrayAsync(PathOf(origin, Layer));

        Assert.Equal(Layer.Bytes, bytes);
        if (at >= BlobRelay.Chunk)
            Assert.True(origin.Requests()
                .Last(request => request.Path.Contains(Layer.Digest, StringComparison.Ordinal)) is { Status: 206 } rest
                    && rest.BytesSent < Layer.Bytes.Length);
    }

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task A_body_that_breaks_off_without_a_source_to_continue_it_breaks_the_clients_connection(int at)
    {
        await using var cache = await ScriptedServer.Start(http => ScriptedServer.SendSome(http, Layer.Bytes, at));
        using var client = Client(await StartNodeProxy.With(cache.Endpoint, fetcher: null, StartNodeProxy.ClosedPort()));

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetByteArrayAsync($"/v2/reg.example.com/a/blobs/{Layer.Digest}"));
    }

    [Theory]
    [InlineData(100_000)]
    [InlineData(2_000_000)]
    public async Task What_an_image_fetcher_breaks_off_the_next_one_goes_on_with_and_not_the_origin(int at)
    {
        var origin = await OriginWithTheImage();
        var before = origin.Requests().Count;
        var asked = 0;
        await using var fetcher = await ScriptedServer.Start(http => Interlocked.Increment(ref asked) == 1
            ? ScriptedServer.SendSome(http, Layer.Bytes, at)
            : ScriptedServer.Send(http, Layer.Bytes));
        using var client = Client(await StartNodeProxy.With(cache: null, fetcher.Endpoint, origin.Endpoint));

        var bytes = await client.GetByteArrayAsync(PathOf(origin, Layer));

        Assert.Equal(Layer.Bytes, bytes);
        Assert.Equal(2, asked);
        Assert.Equal(before, origin.Requests().Count);
    }

    [Fact]
    public async Task What_every_image_fetcher_breaks_off_comes_from_the_origin()
    {
        var origin = await OriginWithTheImage();
        await using var fetcher = await ScriptedServer.Start(http => ScriptedServer.SendSome(http, Layer.Bytes, 1_000_000));
        using var client = Client(await StartNodeProxy.With(cache: null, fetcher.Endpoint, origin.Endpoint));

        Assert.Equal(Layer.Bytes, await client.GetByteArrayAsync(PathOf(origin, Layer)));
    }

    [Fact]
    public async Task What_image_fetcher_refuses_to_continue_is_not_asked_of_the_origin()
    {
        var origin = await OriginWithTheImage();
        var before = origin.Requests().Count;
        await using var cache = await ScriptedServer.Start(http => ScriptedServer.SendSome(http, Layer.Bytes, 1_000_000));
        await using var fetcher = await ScriptedServer.Saying(429);
        using var client = Client(await StartNodeProxy.With(cache.Endpoint, fetcher.Endpoint, origin.Endpoint));

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetByteArrayAsync(PathOf(origin, Layer)));

        Assert.Equal(before, origin.Requests().Count);
    }

    [Fact]
    public async Task A_part_that_breaks_off_is_continued_too()
    {
        var origin = await OriginWithTheImage();
        await using var cache = await ScriptedServer.Start(http =>
        {
            http.Response.StatusCode = 206;
            http.Response.Headers.ContentRange = $"bytes 1000-1999999/{Layer.Bytes.Length}";
            return ScriptedServer.SendSome(http, Layer.Bytes[1000..2_000_000], 1_500_000);
        });
        using var client = Client(await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint));

        using var answer = await client.SendAsync(new HttpRequestMessage(HttpMethod.Get, PathOf(origin, Layer))
        { Headers = { Range = new RangeHeaderValue(1000, 1_999_999) } });

        Assert.Equal(Layer.Bytes[1000..2_000_000], await answer.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1_000_000)]
    [InlineData(Size - 1)]
    public async Task One_wrong_byte_anywhere_keeps_the_last_bytes_back_and_the_next_pull_goes_elsewhere(int at)
    {
        var origin = await OriginWithTheImage();
        var wrong = Layer.Bytes.ToArray();
        wrong[at] ^= 1;
        await using var cache = await ScriptedServer.Start(http => ScriptedServer.Send(http, wrong));
        using var client = Client(await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint));

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetByteArrayAsync(PathOf(origin, Layer)));

        Assert.Equal(Layer.Bytes, await client.GetByteArrayAsync(PathOf(origin, Layer)));
    }

    [Fact]
    public async Task A_blob_that_is_cut_short_in_the_cache_is_never_served()
    {
        var origin = await OriginWithTheImage();
        await using var cache = await ScriptedServer.Start(http => ScriptedServer.Send(http, Layer.Bytes[..2_000_000]));
        using var client = Client(await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint));

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetByteArrayAsync(PathOf(origin, Layer)));

        Assert.Equal(Layer.Bytes, await client.GetByteArrayAsync(PathOf(origin, Layer)));
    }

    [Fact]
    public async Task A_body_without_a_length_never_ends_cleanly_when_it_is_wrong()
    {
        var sent = Layer.Bytes;
        await using var cache = await ScriptedServer.Start(http => http.Response.Body.WriteAsync(sent).AsTask());   // chunked
        using var client = Client(await StartNodeProxy.With(cache.Endpoint, fetcher: null, StartNodeProxy.ClosedPort()));

        Assert.Equal(Layer.Bytes, await client.GetByteArrayAsync($"/v2/reg.example.com/a/blobs/{Layer.Digest}"));
        sent = Layer.Bytes[..^1];

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetByteArrayAsync($"/v2/reg.example.com/a/blobs/{Layer.Digest}"));
    }

    [Fact]
    public async Task A_small_blob_that_is_wrong_in_the_cache_comes_from_the_origin_at_once()
    {
        var origin = await OriginWithTheImage();
        await using var cache = await ScriptedServer.Start(http => ScriptedServer.Send(http, new byte[Image.Config.Bytes.Length + 1]));
        using var client = Client(await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint));

        Assert.Equal(Image.Config.Bytes, await client.GetByteArrayAsync(PathOf(origin, Image.Config)));
    }

    [Fact]
    public async Task A_body_that_stands_still_is_continued_from_the_origin()
    {
        var origin = await OriginWithTheImage();
        await using var cache = await ScriptedServer.Start(async http =>
        {
            http.Response.ContentLength = Layer.Bytes.Length;
            await http.Response.Body.WriteAsync(Layer.Bytes.AsMemory(0, 1_000_000));
            await http.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, http.RequestAborted);
        });
        using var client = Client(
            await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint, ("Kuik:Proxy:NoProgressLimit", "00:00:01")));

        Assert.Equal(Layer.Bytes, await client.GetByteArrayAsync(PathOf(origin, Layer)));
    }

    [Fact]
    public async Task A_manifest_with_wrong_bytes_in_the_cache_comes_from_the_origin()
    {
        var origin = await OriginWithTheImage();
        await using var cache = await ScriptedServer.Start(http =>
        {
            http.Response.Headers["Docker-Content-Digest"] = Image.Digest;
            return ScriptedServer.Send(http, [.. Image.Bytes, (byte)' '], Image.MediaType);
        });
        using var client = Client(await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint));
        var path = $"/v2/{StoreInCache.PathOf(origin, "a/b")}/manifests";

        Assert.Equal(Image.Bytes, await client.GetByteArrayAsync($"{path}/{Image.Digest}"));
        Assert.Equal(Image.Bytes, await client.GetByteArrayAsync($"{path}/1"));
    }

    [Fact]
    public async Task A_redirect_of_the_cache_to_its_storage_is_followed_or_passed_on()
    {
        await using var storage = await ScriptedServer.Start(http => ScriptedServer.Send(http, Layer.Bytes));
        await using var cache = await ScriptedServer.Start(http =>
        {
            http.Response.StatusCode = 307;
            http.Response.Headers.Location = $"{storage.Endpoint}bucket/blob?signature=1";
            return Task.CompletedTask;
        });
        using var following = Client(await StartNodeProxy.With(cache.Endpoint));
        using var passing = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false })
        {
            BaseAddress = (await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin: null, ("Kuik:Cache:Redirects", "pass")))
                .Endpoint,
        };

        Assert.Equal(Layer.Bytes, await following.GetByteArrayAsync($"/v2/reg.example.com/a/blobs/{Layer.Digest}"));
        using var passed = await passing.GetAsync($"/v2/reg.example.com/a/blobs/{Layer.Digest}");

        Assert.Equal((307, $"{storage.Endpoint}bucket/blob?signature=1"), ((int)passed.StatusCode, passed.Headers.Location?.AbsoluteUri));
    }

    [Fact]
    public async Task A_frozen_cache_costs_its_limit_once()
    {
        var (cache, origin) = (await Registry.Start(), await OriginWithTheImage());
        var proxy = await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint, ("Kuik:Proxy:CacheLimit", "00:00:01"),
            ("Kuik:Proxy:BreakerPause", "01:00:00"));
        using var client = Client(proxy);
        cache.Freeze();

        for (var i = 0; i < 4; i++)
            Assert.Equal(Image.Config.Bytes, await client.GetByteArrayAsync(PathOf(origin, Image.Config)));
        cache.Resume();

        await Eventually.True(
            () => proxy.Log.Split('\n').Count(line => line.Contains("passed over: it did not answer", StringComparison.Ordinal)) == 3,
            "the other three pulls passed the cache over");
        Assert.Single(proxy.Log.Split('\n'), line => line.Contains("did not answer within", StringComparison.Ordinal));
    }

    private static async Task<Registry> OriginWithTheImage()
    {
        var origin = await Registry.Start();
        await origin.Push("a/b", "1", Image);
        return origin;
    }

    private static string PathOf(Registry origin, TestBlob blob) => $"/v2/{StoreInCache.PathOf(origin, "a/b")}/blobs/{blob.Digest}";

    private static HttpClient Client(KuikService proxy) => new() { BaseAddress = proxy.Endpoint };
}
