using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>
/// Caches that answer what no registry of ours does: a page, a list without the API for it, nothing. The caches are scripts; the origin is
/// real.
/// </summary>
public sealed class OddCacheTests
{
    private static readonly TestImage Image = TestImage.Small(seed: 60);

    [Theory]
    [InlineData("text/html", "<html><body>log in</body></html>")]
    [InlineData("Text/HTML; charset=utf-8", "<html><body>log in</body></html>")]
    [InlineData("application/json", "{}")]
    [InlineData("application/json", "[]")]
    [InlineData("application/json", "not json")]
    [InlineData("application/vnd.oci.image.manifest.v1+json", "<html/>")]
    public async Task A_cache_that_answers_anything_with_200_is_passed_over(string type, string body)
    {
        var origin = await Registry.Start();
        await origin.Push("a/b", "1", Image);
        await using var cache = await ScriptedServer.Start(http =>
        {
            http.Response.ContentType = type;
            return http.Response.WriteAsync(body);
        });
        var proxy = await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint);
        using var client = Client(proxy);
        var path = $"/v2/{StoreInCache.PathOf(origin, "a/b")}";

        Assert.Equal(Image.Bytes, await client.GetByteArrayAsync($"{path}/manifests/1"));
        Assert.Equal(Image.Bytes, await client.GetByteArrayAsync($"{path}/manifests/{Image.Digest}"));
        Assert.Contains("\"1\"", await client.GetStringAsync($"{path}/tags/list"), StringComparison.Ordinal);
        Assert.Empty(JsonNode.Parse(await client.GetByteArrayAsync($"{path}/referrers/{Image.Digest}"))!["manifests"]!.AsArray());
    }

    [Fact]
    public async Task Manifests_without_a_length_do_not_take_eight_megabytes_each()
    {
        await using var cache = await ScriptedServer.Start(async http =>
        {
            http.Response.ContentType = Image.MediaType;
            await http.Response.StartAsync();   // chunked
            await http.Response.Body.WriteAsync(Image.Bytes);
        });
        var proxy = await StartNodeProxy.With(cache.Endpoint);
        using var client = Client(proxy);

        var all = await Task.WhenAll(Enumerable.Range(0, 100)
            .Select(i => client.GetByteArrayAsync($"/v2/reg.example.com/a/manifests/{i}")));

        Assert.All(all, bytes => Assert.Equal(Image.Bytes, bytes));
        var peak = File.ReadLines($"/proc/{proxy.Process.Id}/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2];
        Assert.InRange(long.Parse(peak, System.Globalization.CultureInfo.InvariantCulture), 0, 250 << 10);   // 386 MB before
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("x")]
    [InlineData("1&n=2")]
    [InlineData("99999999999")]
    public async Task Tags_by_a_number_that_is_none_are_400(string n)
    {
        using var client = Client(await StartNodeProxy.With());

        using var answer = await client.GetAsync($"/v2/reg.example.com/a/tags/list?n={n}");

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("PAGINATION_NUMBER_INVALID", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Tags_of_what_is_not_cached_or_while_the_cache_is_gone_are_the_origins_page_by_page(bool hasCache)
    {
        var origin = await Registry.Start();
        foreach (var tag in new[] { "1", "2", "3" })
            await origin.Push("a/b", tag, Image);
        using var client = Client(
            await StartNodeProxy.With(hasCache ? (await Registry.Start()).Endpoint : null, fetcher: null, origin.Endpoint));
        var tags = new List<string>();

        for (var next = $"/v2/a/b/tags/list?n=2&ns={origin.Host}"; next is not null;)
        {
            using var answer = await client.GetAsync(next);
            tags.AddRange(JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["tags"]!.AsArray().Select(tag => (string)tag!));
            next = answer.Headers.TryGetValues("Link", out var links) ? links.Single().Split('<', '>')[1] : null;
        }

        Assert.Equal(["1", "2", "3"], tags.Order());   // Debian's registry knows no pages and no order
    }

    [Fact]
    public async Task A_range_beyond_the_blob_is_told_the_size()
    {
        var cache = await Registry.Start();
        await cache.Store("reg.example.com/a", "1", Image);
        using var client = Client(await StartNodeProxy.With(cache.Endpoint));

        using var answer = await client.SendAsync(
            new HttpRequestMessage(HttpMethod.Get, $"/v2/reg.example.com/a/blobs/{Image.Config.Digest}")
            { Headers = { Range = new RangeHeaderValue(9_000_000, null) } });

        Assert.Equal((HttpStatusCode.RequestedRangeNotSatisfiable, $"bytes */{Image.Config.Bytes.Length}"),
            (answer.StatusCode, answer.Content.Headers.ContentRange?.ToString()));
    }

    [Fact]
    public async Task Referrers_of_what_has_none_in_the_cache_are_the_origins()
    {
        var entry = new JsonObject
        { ["mediaType"] = MediaTypes.OciManifest, ["digest"] = Image.Digest, ["size"] = 1, ["artifactType"] = "application/a" };
        var list = Encoding.UTF8.GetBytes(new JsonObject
        { ["schemaVersion"] = 2, ["mediaType"] = MediaTypes.OciIndex, ["manifests"] = new JsonArray(entry) }.ToJsonString());
        await using var origin = await ScriptedServer.Start(http => ScriptedServer.Send(http, list, MediaTypes.OciIndex));
        using var client = Client(await StartNodeProxy.With((await Registry.Start()).Endpoint, fetcher: null, origin.Endpoint));
        var path = $"/v2/{origin.Host.Replace(':', '_')}/a/referrers/{Image.Digest}";

        using var all = await client.GetAsync(path);
        using var other = await client.GetAsync(path + "?artifactType=application/b");

        Assert.Equal((MediaTypes.OciIndex, list.Length), (all.Content.Headers.ContentType?.MediaType, all.Content.Headers.ContentLength));
        Assert.Equal(list, await all.Content.ReadAsByteArrayAsync());
        Assert.Equal("artifactType", Assert.Single(other.Headers.GetValues("OCI-Filters-Applied")));
        Assert.Empty(JsonNode.Parse(await other.Content.ReadAsStringAsync())!["manifests"]!.AsArray());
    }

    [Fact]
    public async Task Pages_of_a_cache_that_lists_referrers_itself_are_relayed_one_by_one_without_the_clients_credentials()
    {
        var path = $"/v2/reg.example.com/a/referrers/{Image.Digest}";
        await using var cache = await ScriptedServer.Start(async http =>
        {
            var isReferrers = http.Request.Path.Value == path;
            http.Response.StatusCode = isReferrers ? 200 : 404;
            if (!isReferrers)
                return;
            var last = http.Request.Query["last"].ToString();
            if (last.Length == 0)
                http.Response.Headers.Link = $"<{path}?last=1>; rel=\"next\"";
            http.Response.ContentType = MediaTypes.OciIndex;
            await http.Response.WriteAsync(
                $$$"""{"schemaVersion":2,"manifests":[{"digest":"{{{Image.Digest}}}","annotations":{"last":"{{{last}}}"}}]}""");
        });
        using var client = Client(await StartNodeProxy.With(cache.Endpoint));
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", "dTpw");

        using var first = await client.GetAsync(path + "?artifactType=application/a");
        using var second = await client.GetAsync(first.Headers.GetValues("Link").Single().Split('<', '>')[1]);

        Assert.Equal(MediaTypes.OciIndex, first.Content.Headers.ContentType?.MediaType);
        Assert.Contains("\"last\":\"1\"", await second.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain(cache.Headers, headers => headers.ContainsKey("Authorization"));
    }

    [Fact]
    public async Task Addresses_that_a_file_moves_are_followed_without_a_restart()
    {
        await using var before = await ScriptedServer.Saying(404);
        await using var after = await ScriptedServer.Start(http => ScriptedServer.Send(http, Image.Bytes, Image.MediaType));
        var file = Path.Combine(Sandbox.Shared.NewFolder("endpoints"), "endpoints");
        await File.WriteAllTextAsync(file, $"cache={before.Endpoint}\nfetcher={before.Endpoint}\n");
        using var client = Client(await StartNodeProxy.With(cache: null, fetcher: null, origin: null, ("Kuik:Endpoints:File", file)));
        using (var refused = await client.GetAsync("/v2/reg.example.com/a/manifests/1"))
            Assert.Equal(HttpStatusCode.NotFound, refused.StatusCode);

        await File.WriteAllTextAsync(file, $"cache={after.Endpoint}\nfetcher=\n");

        await Eventually.True(
            async () =>
            {
                using var answer = await client.GetAsync("/v2/reg.example.com/a/manifests/1");
                return answer.IsSuccessStatusCode;
            },
            "the cache is asked where it is now");
    }

    [Fact]
    public async Task It_starts_without_a_Service_of_the_cache_and_of_image_fetcher_and_says_so()
    {
        var origin = await Registry.Start();
        await origin.Push("a/b", "1", Image);
        var proxy = await StartNodeProxy.With(cache: null, fetcher: null, origin.Endpoint,
            ("Kuik:Cache:ReadEndpoint", "http://$(KUIK_REGISTRY_READ_SERVICE_HOST):$(KUIK_REGISTRY_READ_SERVICE_PORT)"),
            ("Kuik:Fetcher:Endpoint", "http://$(KUIK_IMAGE_FETCHER_SERVICE_HOST):$(KUIK_IMAGE_FETCHER_SERVICE_PORT)"));
        using var client = Client(proxy);

        Assert.Equal(Image.Bytes, await client.GetByteArrayAsync($"/v2/{StoreInCache.PathOf(origin, "a/b")}/manifests/1"));
        Assert.Contains("the cache registry has no address", proxy.Log, StringComparison.Ordinal);
    }

    private static HttpClient Client(KuikService proxy) => new() { BaseAddress = proxy.Endpoint };
}
