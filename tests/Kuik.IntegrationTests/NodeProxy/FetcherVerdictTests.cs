using System.Diagnostics;
using System.Net;
using Kuik.NodeProxy;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>
/// node-proxy's handling of image-fetcher's responses. The image-fetcher is scripted: a real one sends these responses only
/// after particular behaviour of its origin at a particular moment. The origin is a real registry that has the image, so
/// that a request to it would be seen.
/// </summary>
public sealed class FetcherVerdictTests
{
    [Theory]
    [InlineData(401, "UNAUTHORIZED")]
    [InlineData(403, "DENIED")]
    [InlineData(404, "MANIFEST_UNKNOWN")]
    [InlineData(429, "TOOMANYREQUESTS")]
    public async Task What_it_says_about_an_origin_is_final(int status, string code)
    {
        var origin = await Registry.Start();
        var image = TestImage.Small(seed: 20);
        await origin.Push("a/b", "1", image);
        var before = origin.Requests().Count;
        await using var fetcher = await ScriptedServer.Start(http =>
        {
            http.Response.StatusCode = status;
            http.Response.Headers.RetryAfter = "17";
            http.Response.ContentType = "application/json";
            return http.Response.WriteAsync(RegistryErrors.Body(code, "a sentence"));
        });
        using var client = Client(await StartNodeProxy.With(cache: null, fetcher.Endpoint, origin.Endpoint));
        var path = $"/v2/{StoreInCache.PathOf(origin, "a/b")}";

        foreach (var what in new[] { "manifests/1", $"blobs/{image.Config.Digest}" })
        {
            using var answer = await client.GetAsync($"{path}/{what}");

            Assert.Equal(status, (int)answer.StatusCode);
            Assert.Equal(RegistryErrors.Body(code, "a sentence"), await answer.Content.ReadAsStringAsync());
            Assert.Equal("17", answer.Headers.RetryAfter?.ToString());
        }
        Assert.Equal(before, origin.Requests().Count);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    public async Task One_that_cannot_work_or_cannot_reach_the_origin_is_passed_over(int status)
    {
        var origin = await Registry.Start();
        var image = TestImage.Small(seed: 21);
        await origin.Push("a/b", "1", image);
        await using var fetcher =
            await ScriptedServer.Start(http => Refuse(http, status, "GET https://origin/: Name or service not known"));
        var proxy = await StartNodeProxy.With(cache: null, fetcher.Endpoint, origin.Endpoint);
        using var client = Client(proxy);

        Assert.Equal(image.Bytes, await Skopeo.InspectRaw(proxy.Local(StoreInCache.PathOf(origin, "a/b"), "1")));
        Assert.Equal(image.Config.Bytes,
            await client.GetByteArrayAsync($"/v2/{StoreInCache.PathOf(origin, "a/b")}/blobs/{image.Config.Digest}"));
        Assert.Contains($"fetcher: it answered {status}: GET https://origin/: Name or service not known", proxy.Log,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_is_stopping_is_asked_again_over_another_connection_and_gives_no_verdict()
    {
        var image = TestImage.Small(seed: 24);
        var asked = 0;
        await using var fetcher = await ScriptedServer.Start(http =>
        {
            if (Interlocked.Increment(ref asked) <= 3)
            {
                http.Response.StatusCode = 503;
                http.Response.Headers[FetcherSource.Draining] = "1";
                http.Response.Headers.Connection = "close";
                return Task.CompletedTask;
            }
            http.Response.ContentType = image.MediaType;
            http.Response.Headers["Docker-Content-Digest"] = image.Digest;
            return http.Response.Body.WriteAsync(image.Bytes).AsTask();
        });
        using var client = Client(await StartNodeProxy.With(cache: null, fetcher.Endpoint, origin: null));

        Assert.Equal(image.Bytes, await client.GetByteArrayAsync("/v2/private.test/a/b/manifests/1"));
        Assert.Equal(4, asked);
    }

    [Fact]
    public async Task An_origin_that_neither_it_nor_the_node_can_reach_is_told_with_both()
    {
        await using var fetcher = await ScriptedServer.Start(http => Refuse(http, 504, "GET https://origin/: Name or service not known"));
        var closed = StartNodeProxy.ClosedPort();
        using var client = Client(await StartNodeProxy.With(cache: null, fetcher.Endpoint, closed));

        foreach (var what in new[] { "manifests/1", $"blobs/{ArtifactManifest.EmptyDigest}" })
        {
            using var answer = await client.GetAsync($"/v2/{closed.Authority.Replace(':', '_')}/a/{what}");
            var body = await answer.Content.ReadAsStringAsync();

            Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
            Assert.Contains("fetcher: it answered 504", body, StringComparison.Ordinal);
            Assert.Contains($"origin: {closed.Authority} is on a private network", body, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task One_that_is_working_is_asked_again_until_it_has_the_image()
    {
        var image = TestImage.Small(seed: 22);
        var asked = 0;
        await using var fetcher = await ScriptedServer.Start(http =>
        {
            if (Interlocked.Increment(ref asked) > 3)
                return ScriptedServer.Send(http, image.Bytes, image.MediaType);
            http.Response.StatusCode = 202;
            http.Response.Headers[FetcherSource.Working] = "1";
            http.Response.Headers.RetryAfter = "0";
            return Task.CompletedTask;
        });
        using var client = Client(await StartNodeProxy.With(cache: null, fetcher.Endpoint));

        var bytes = await client.GetByteArrayAsync("/v2/reg.example.com/a/manifests/1");

        Assert.Equal(image.Bytes, bytes);
        Assert.Equal(Enumerable.Repeat("GET /v2/reg.example.com/a/manifests/1", 4), fetcher.Requests);
    }

    [Fact]
    public async Task One_that_works_for_too_long_ends_in_504_and_the_origin_is_left_alone()
    {
        await using var origin = await ScriptedServer.Saying(500);
        await using var fetcher = await ScriptedServer.Start(http =>
        {
            http.Response.StatusCode = 202;
            http.Response.Headers[FetcherSource.Working] = "1";
            return Task.CompletedTask;
        });
        using var client = Client(
            await StartNodeProxy.With(cache: null, fetcher.Endpoint, origin.Endpoint, ("Kuik:Proxy:FetcherPatience", "00:00:01")));

        using var answer = await client.GetAsync($"/v2/{origin.Host.Replace(':', '_')}/a/manifests/1");

        Assert.Equal((HttpStatusCode.GatewayTimeout, "5"), (answer.StatusCode, answer.Headers.RetryAfter?.ToString()));
        Assert.Empty(origin.Requests);
    }

    [Fact]
    public async Task A_silent_one_costs_its_limit_once_and_then_nothing()
    {
        var origin = await Registry.Start();
        var image = TestImage.Small(seed: 23);
        await origin.Push("a/b", "1", image);
        await using var fetcher = await ScriptedServer.Start(http => Task.Delay(Timeout.Infinite, http.RequestAborted));
        var proxy = await StartNodeProxy.With(cache: null, fetcher.Endpoint, origin.Endpoint, ("Kuik:Proxy:FetcherLimit", "00:00:01"),
            ("Kuik:Proxy:BreakerPause", "01:00:00"));
        using var client = Client(proxy);
        var path = $"/v2/{StoreInCache.PathOf(origin, "a/b")}/manifests/1";

        for (var i = 0; i < 5; i++)
            Assert.Equal(image.Bytes, await client.GetByteArrayAsync(path));

        Assert.Single(fetcher.Requests);
        using var health = new HttpClient { BaseAddress = proxy.Health };
        Assert.Contains($"Degraded passed over: {fetcher.Endpoint.GetLeftPart(UriPartial.Authority)}",
            await health.GetStringAsync("/readyz"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_bytes_from_it_are_not_passed_on()
    {
        var origin = await Registry.Start();
        var image = TestImage.Small(seed: 24);
        await origin.Push("a/b", "1", image);
        await using var fetcher = await ScriptedServer.Start(http => ScriptedServer.Send(http, [1, 2, 3], image.MediaType));
        using var client = Client(await StartNodeProxy.With(cache: null, fetcher.Endpoint, origin.Endpoint));
        var path = $"/v2/{StoreInCache.PathOf(origin, "a/b")}";

        Assert.Equal(image.Bytes, await client.GetByteArrayAsync($"{path}/manifests/{image.Digest}"));
        Assert.Equal(image.Config.Bytes, await client.GetByteArrayAsync($"{path}/blobs/{image.Config.Digest}"));
    }

    [Fact]
    public async Task Everything_silent_ends_in_an_error_within_the_limits()
    {
        await using var silent = await ScriptedServer.Start(http => Task.Delay(Timeout.Infinite, http.RequestAborted));
        using var client = Client(await StartNodeProxy.With(silent.Endpoint, silent.Endpoint, silent.Endpoint,
            ("Kuik:Proxy:CacheLimit", "00:00:01"), ("Kuik:Proxy:FetcherLimit", "00:00:01"), ("Kuik:Proxy:OriginLimit", "00:00:01")));
        var clock = Stopwatch.StartNew();

        using var answer = await client.GetAsync($"/v2/{silent.Host.Replace(':', '_')}/a/manifests/1");

        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        // a deadline, not a measurement: HttpClient's own is 100 s
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(30));
    }

    private static Task Refuse(HttpContext http, int status, string sentence)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        return http.Response.WriteAsync(RegistryErrors.Body("UNKNOWN", sentence));
    }

    private static HttpClient Client(KuikService proxy) => new() { BaseAddress = proxy.Endpoint };
}
