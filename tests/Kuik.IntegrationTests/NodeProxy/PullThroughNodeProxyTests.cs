using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.IntegrationTests.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>node-proxy with real registries before and behind it, asked by skopeo and over HTTP.</summary>
public sealed class PullThroughNodeProxyTests
{
    private const string Repository = "team/web";

    [Fact]
    public async Task An_index_with_one_cached_child_is_served_byte_for_byte_by_tag_index_digest_and_child_digest()
    {
        var (cache, origin) = (await Registry.Start(), await Registry.Start());
        var index = TestIndex.Small(seed: 1, format: ImageFormat.Docker);
        var child = index.Child("linux/amd64");
        var path = StoreInCache.PathOf(origin, Repository);
        await cache.Store(path, "1", index, child);
        var proxy = await StartNodeProxy.With(cache.Endpoint);

        var byTag = await Skopeo.InspectRaw(proxy.Local(path, "1"));
        var byIndexDigest = await Skopeo.InspectRaw(proxy.Local(path, index.Digest));
        var byChildDigest = await Skopeo.InspectRaw(proxy.Local(path, child.Digest));

        Assert.Equal(index.Bytes, byTag);
        Assert.Equal(index.Bytes, byIndexDigest);
        Assert.Equal(child.Bytes, byChildDigest);
        Assert.Empty(origin.Requests());
    }

    [Fact]
    public async Task A_cache_behind_a_private_authority_is_read_when_that_is_named_and_said_to_be_untrusted_when_not()
    {
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 3);
        await cache.Push("reg.example.com/a", "1", image);
        var authority = new CertificateAuthority("a company");
        await using var front = await CutFront.Start(cache.Endpoint.ToString(), authority.Issue("CN=cache", "127.0.0.1"));
        var file = Path.Combine(Sandbox.Shared.NewFolder("authority"), "ca.pem");
        await File.WriteAllTextAsync(file, authority.Pem);
        using var trusting = Client(await StartNodeProxy.With(new Uri(front.Endpoint), more: ("Kuik:RootCertificateAuthorities:0", file)));
        using var other = Client(await StartNodeProxy.With(new Uri(front.Endpoint)));

        var bytes = await trusting.GetByteArrayAsync("/v2/reg.example.com/a/manifests/1");
        using var refused = await other.GetAsync("/v2/reg.example.com/a/manifests/1");

        Assert.Equal(image.Bytes, bytes);
        Assert.Equal(HttpStatusCode.BadGateway, refused.StatusCode);
        Assert.Contains("is not trusted", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clients_are_told_the_indexs_own_type_digest_and_length_and_not_those_of_its_wrapper()
    {
        var cache = await Registry.Start();
        var index = TestIndex.Small(seed: 2);
        await cache.Store("reg.example.com/a", "1", index, index.Children[0]);
        using var http = Client(await StartNodeProxy.With(cache.Endpoint));

        foreach (var (method, target) in new[] { (HttpMethod.Get, "1"), (HttpMethod.Head, "1"), (HttpMethod.Get, index.Digest),
            (HttpMethod.Head, index.Digest) })
        {
            using var answer = await http.SendAsync(new HttpRequestMessage(method, $"/v2/reg.example.com/a/manifests/{target}"));

            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal((index.MediaType, index.Bytes.Length),
                (answer.Content.Headers.ContentType?.MediaType, answer.Content.Headers.ContentLength));
            Assert.Equal((index.Digest, $"\"{index.Digest}\""),
                (answer.Headers.GetValues("Docker-Content-Digest").Single(), answer.Headers.ETag?.Tag));
            Assert.Equal(method == HttpMethod.Head ? [] : index.Bytes, await answer.Content.ReadAsByteArrayAsync());
        }
    }

    [Fact]
    public async Task With_the_cache_stopped_the_origin_is_pulled_from_and_with_the_origin_stopped_the_cache()
    {
        var (cache, origin) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 3, size: 2_000_000);
        var path = StoreInCache.PathOf(origin, Repository);
        await origin.Push(Repository, "1", image);
        await cache.Store(path, "1", image);
        var proxy = await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint);

        await cache.Stop();
        await Skopeo.Pull(proxy.Local(path, "1"));
        Assert.NotEmpty(origin.BlobDownloads());
        await cache.Restart();
        await origin.Stop();

        Assert.True(Directory.Exists(await Skopeo.Pull(proxy.Local(path, "1"))));
    }

    [Fact]
    public async Task With_nothing_but_node_proxy_and_the_origin_a_public_image_pulls()
    {
        var origin = await Registry.Start();
        var index = TestIndex.Small(seed: 4);
        await origin.Push(Repository, "1", index);
        var proxy = await StartNodeProxy.With(cache: null, StartNodeProxy.ClosedPort(), origin.Endpoint);

        var raw = await Skopeo.InspectRaw(proxy.Local(StoreInCache.PathOf(origin, Repository), "1"));
        var folder = await Skopeo.Pull(proxy.Local(StoreInCache.PathOf(origin, Repository), "1"), all: true);

        Assert.Equal(index.Bytes, raw);
        Assert.All(index.Children.SelectMany(child => child.Blobs),
            blob => Assert.Equal(blob.Bytes, File.ReadAllBytes(Path.Combine(folder, blob.Digest[7..]))));
    }

    [Fact]
    public async Task A_blob_whose_client_leaves_at_30_percent_is_kept_whole_and_comes_from_the_origin_once()
    {
        var gate = new TaskCompletionSource();
        await using var origin = await ScriptedOrigin.Start();   // a real one does not wait in the middle
        origin.Script = request => request.IsBlobDownload ? Misbehave.HoldAt(2_000_000, gate.Task) : null;
        var image = TestImage.Small(seed: 13, size: 5_000_000);
        var layer = image.Layers[^1];
        var name = origin.Add(Repository, "1", image);
        var cache = await Registry.Start();
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        using var http = Client(
            await StartNodeProxy.With(cache.Endpoint, engine.Endpoint, origin: null, ("Kuik:Proxy:FetcherLimit", "00:01:00")));
        var path = $"/v2/{origin.Host.Replace(':', '_')}/{Repository}/blobs/{layer.Digest}";

        using (var answer = await http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead))
            await (await answer.Content.ReadAsStreamAsync()).ReadExactlyAsync(new byte[layer.Bytes.Length * 3 / 10]);
        gate.SetResult();
        await Eventually.True(async () => await cache.Blob(name, layer.Digest) is not null, "the blob is kept");

        Assert.Equal(layer.Bytes, await cache.Blob(name, layer.Digest));
        Assert.Equal(layer.Bytes, await http.GetByteArrayAsync(path));
        Assert.Single(origin.Ledger, request => request.IsBlobDownload);
    }

    [Fact]
    public async Task A_public_image_behind_token_authentication_pulls_anonymously()
    {
        var tokens = await TokenServer.Start(new Dictionary<string, string>());
        tokens.Public.Add(Repository);
        var origin = await Registry.Start(new RegistryOptions { Tokens = tokens });
        var image = TestImage.Small(seed: 5);
        await origin.Push(Repository, "1", image);
        await origin.Push("team/secret", "1", image);
        var proxy = await StartNodeProxy.With(cache: null, fetcher: null, origin.Endpoint);
        using var http = Client(proxy);

        Assert.Equal(image.Bytes, await Skopeo.InspectRaw(proxy.Local(StoreInCache.PathOf(origin, Repository), "1")));
        using var secret = await http.GetAsync($"/v2/{StoreInCache.PathOf(origin, "team/secret")}/manifests/1");

        Assert.Equal((HttpStatusCode.Unauthorized, "UNAUTHORIZED"), (secret.StatusCode, await CodeOf(secret)));
        Assert.Empty(secret.Headers.WwwAuthenticate);
    }

    [Fact]
    public async Task An_unknown_image_is_404_in_the_distributions_words()
    {
        var origin = await Registry.Start();
        using var http = Client(await StartNodeProxy.With(cache: null, fetcher: null, origin.Endpoint));
        var path = StoreInCache.PathOf(origin, Repository);

        using var manifest = await http.GetAsync($"/v2/{path}/manifests/1");
        using var blob = await http.GetAsync($"/v2/{path}/blobs/{ArtifactManifest.EmptyDigest}");

        Assert.Equal((HttpStatusCode.NotFound, "MANIFEST_UNKNOWN"), (manifest.StatusCode, await CodeOf(manifest)));
        Assert.Equal((HttpStatusCode.NotFound, "BLOB_UNKNOWN"), (blob.StatusCode, await CodeOf(blob)));
    }

    [Fact]
    public async Task Blobs_are_served_whole_in_part_and_by_HEAD_on_IPv4_and_IPv6()
    {
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 6, size: 3_000_000);
        var layer = image.Layers[^1];
        await cache.Store("reg.example.com/a", "1", image);
        var proxy = await StartNodeProxy.With(cache.Endpoint);

        foreach (var host in new[] { "127.0.0.1", "[::1]" })
        {
            using var http = new HttpClient { BaseAddress = new Uri($"http://{host}:{proxy.Port}") };
            var path = $"/v2/reg.example.com/a/blobs/{layer.Digest}";

            Assert.Equal(layer.Bytes, await http.GetByteArrayAsync(path));
            using var head = await http.SendAsync(new HttpRequestMessage(HttpMethod.Head, path));
            Assert.Equal((HttpStatusCode.OK, layer.Bytes.Length), (head.StatusCode, head.Content.Headers.ContentLength));
            using var part = await http.SendAsync(new HttpRequestMessage(HttpMethod.Get, path)
            { Headers = { Range = new RangeHeaderValue(1_000_000, 2_000_000) } });
            Assert.Equal((HttpStatusCode.PartialContent, $"bytes 1000000-2000000/{layer.Bytes.Length}"),
                (part.StatusCode, part.Content.Headers.ContentRange?.ToString()));
            Assert.Equal(layer.Bytes[1_000_000..2_000_001], await part.Content.ReadAsByteArrayAsync());
            using var beyond = await http.SendAsync(new HttpRequestMessage(HttpMethod.Get, path)
            { Headers = { Range = new RangeHeaderValue(9_000_000, null) } });
            Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, beyond.StatusCode);
            using var known = await http.SendAsync(new HttpRequestMessage(HttpMethod.Get, path)
            { Headers = { IfNoneMatch = { new EntityTagHeaderValue($"\"{layer.Digest}\"") } } });
            Assert.Equal(HttpStatusCode.NotModified, known.StatusCode);
        }
    }

    [Fact]
    public async Task A_client_that_has_the_manifest_is_told_so()
    {
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 7);
        await cache.Store("reg.example.com/a", "1", image);
        using var http = Client(await StartNodeProxy.With(cache.Endpoint));

        using var answer = await http.SendAsync(new HttpRequestMessage(HttpMethod.Get, "/v2/reg.example.com/a/manifests/1")
        { Headers = { IfNoneMatch = { new EntityTagHeaderValue($"\"{image.Digest}\"") } } });

        Assert.Equal(HttpStatusCode.NotModified, answer.StatusCode);
    }

    [Fact]
    public async Task An_evicted_tag_is_not_served_from_its_tombstone()
    {
        var (cache, origin) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 8);
        var path = StoreInCache.PathOf(origin, Repository);
        await origin.Push(Repository, "1", image);
        await cache.Bury(path, "1");
        var proxy = await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint);

        Assert.Equal(image.Bytes, await Skopeo.InspectRaw(proxy.Local(path, "1")));
    }

    [Fact]
    public async Task A_blob_is_not_served_as_a_manifest()
    {
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 9);
        await cache.Store("reg.example.com/a", "1", image);
        using var http = Client(
            await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin: null, ("Kuik:Proxy:OriginLimit", "00:00:01")));

        using var answer = await http.GetAsync($"/v2/reg.example.com/a/manifests/{image.Config.Digest}");

        Assert.False(answer.IsSuccessStatusCode);
    }

    [Fact]
    public async Task A_mirror_request_names_its_origin_in_the_query()
    {
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 10);
        await cache.Store("reg.example.com_5000/a/b", "1", image);
        using var http = Client(await StartNodeProxy.With(cache.Endpoint));

        Assert.Equal(image.Bytes, await http.GetByteArrayAsync("/v2/a/b/manifests/1?ns=reg.example.com:5000"));
        Assert.Equal(image.Config.Bytes, await http.GetByteArrayAsync($"/v2/a/b/blobs/{image.Config.Digest}?ns=reg.example.com:5000"));
    }

    [Fact]
    public async Task The_tags_of_a_repository_are_listed_without_Kuiks_own()
    {
        var cache = await Registry.Start();
        await cache.Store("reg.example.com/a", "1", TestImage.Small(seed: 11));
        await cache.Store("reg.example.com/a", "2", TestImage.Small(seed: 12));
        using var http = Client(await StartNodeProxy.With(cache.Endpoint));

        var list = await http.GetFromJsonAsync<JsonObject>("/v2/reg.example.com/a/tags/list");

        Assert.Equal(["1", "2"], list!["tags"]!.AsArray().Select(tag => (string)tag!).Order());
    }

    [Fact]
    public async Task Nothing_but_GET_and_HEAD_reaches_a_source()
    {
        await using var server = await ScriptedServer.Saying(200);
        using var http = Client(await StartNodeProxy.With(server.Endpoint, server.Endpoint, server.Endpoint));

        foreach (var method in new[] { "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "INVENTED" })
        {
            using var answer = await http.SendAsync(
                new HttpRequestMessage(new HttpMethod(method), $"/v2/{server.Host.Replace(':', '_')}/a/manifests/1"));
            Assert.Equal((HttpStatusCode.MethodNotAllowed, "GET, HEAD"),
                (answer.StatusCode, string.Join(", ", answer.Content.Headers.Allow)));
        }

        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task Credentials_of_clients_stay_here()
    {
        await using var server = await ScriptedServer.Saying(404);
        using var http = Client(await StartNodeProxy.With(server.Endpoint, fetcher: null, server.Endpoint));
        http.DefaultRequestHeaders.Authorization =
            new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("user:password")));
        http.DefaultRequestHeaders.Add("Cookie", "session=1");
        var path = $"/v2/{server.Host.Replace(':', '_')}/a";

        foreach (var what in new[] { "manifests/1", $"blobs/{ArtifactManifest.EmptyDigest}", "tags/list",
            $"referrers/{ArtifactManifest.EmptyDigest}" })
            (await http.GetAsync($"{path}/{what}")).Dispose();

        // referrers: two tags and the API of the cache, the API and a tag of the origin; the origin's /v2/ once
        Assert.Equal(12, server.Requests.Count);
        Assert.All(server.Headers, headers => Assert.False(headers.ContainsKey("Authorization") || headers.ContainsKey("Cookie")));
    }

    [Theory]
    [InlineData("Kuik:DeniedOrigins:0")]
    [InlineData("Kuik:AllowedOrigins:0")]
    [InlineData("Kuik:Proxy:DeniedOrigins:0")]
    [InlineData("Kuik:Proxy:AllowedOrigins:0")]
    public async Task A_denied_origin_is_403_and_no_source_is_asked(string list)
    {
        await using var server = await ScriptedServer.Saying(200);
        var listed = list.Contains("Denied", StringComparison.Ordinal) ? server.Host : "docker.io";
        using var http = Client(await StartNodeProxy.With(server.Endpoint, server.Endpoint, server.Endpoint, (list, listed)));
        var path = $"/v2/{server.Host.Replace(':', '_')}/a";

        foreach (var what in new[] { "manifests/1", $"manifests/{ArtifactManifest.EmptyDigest}", $"blobs/{ArtifactManifest.EmptyDigest}",
            "tags/list", $"referrers/{ArtifactManifest.EmptyDigest}" })
            foreach (var named in new[] { $"{path}/{what}", $"/v2/a/{what}?ns={server.Host}" })
            {
                using var answer = await http.GetAsync(named);
                Assert.Equal((HttpStatusCode.Forbidden, "DENIED"), (answer.StatusCode, await CodeOf(answer)));
            }

        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task A_query_that_names_two_origins_is_refused()
    {
        using var http = Client(await StartNodeProxy.With());

        using var answer = await http.GetAsync("/v2/a/manifests/1?ns=docker.io&ns=ghcr.io");

        Assert.Equal((HttpStatusCode.BadRequest, "NAME_INVALID"), (answer.StatusCode, await CodeOf(answer)));
    }

    [Fact]
    public async Task Who_did_not_have_it_how_long_it_took_and_how_much_was_sent_is_counted()
    {
        var (cache, origin) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 15, size: 2_000_000);
        await origin.Push(Repository, "1", image);
        var proxy = await StartNodeProxy.With(cache.Endpoint, StartNodeProxy.ClosedPort(), origin.Endpoint);
        using var http = Client(proxy);
        var layer = image.Layers[^1];
        await http.GetByteArrayAsync($"/v2/{StoreInCache.PathOf(origin, Repository)}/blobs/{layer.Digest}");
        (await http.PostAsync("/v2/", null)).Dispose();

        using var health = new HttpClient { BaseAddress = proxy.Health };
        string[] lines = [];
        await Eventually.True(async () => (lines = (await health.GetStringAsync("/metrics")).Split('\n'))
            .Any(line => line.StartsWith("kuik_proxy_seconds_count{", StringComparison.Ordinal)), "the pull was counted");

        Has("kuik_proxy_misses_total", "source=\"cache\"", "reason=\"absent\"", " 1 ");
        Has("kuik_proxy_misses_total", "source=\"fetcher\"", "reason=\"unreachable\"", " 1 ");
        Has("kuik_proxy_sent_bytes_total", "source=\"origin\"", $" {layer.Bytes.Length} ");
        Has("kuik_proxy_seconds_count", "kind=\"blob\"", "source=\"origin\"", " 1 ");
        Has("kuik_proxy_turned_away_total", "statusCode=\"405\"", " 1 ");
        Has("kuik_proxy_in_flight", " 0 ");

        void Has(string name, params string[] parts) =>
            Assert.Contains(lines,
                line => line.StartsWith(name, StringComparison.Ordinal)
                    && Array.TrueForAll(parts, part => (line + " ").Contains(part, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Every_outcome_is_counted_under_v1s_name()
    {
        var cache = await Registry.Start();
        await cache.Store("reg.example.com/a", "1", TestImage.Small(seed: 13));
        var proxy = await StartNodeProxy.With(cache.Endpoint);
        using var http = Client(proxy);
        (await http.GetAsync("/v2/reg.example.com/a/manifests/1")).Dispose();

        using var health = new HttpClient { BaseAddress = proxy.Health };
        string? line = null;
        await Eventually.True(
            async () => (line = (await health.GetStringAsync("/metrics")).Split('\n')
                .SingleOrDefault(l => l.StartsWith("kube_image_keeper_proxy_http_requests_total{", StringComparison.Ordinal))) is not null,
            "the pull was counted");

        Assert.Contains("registry=\"reg.example.com\"", line, StringComparison.Ordinal);
        Assert.Contains("statusCode=\"200\"", line, StringComparison.Ordinal);
        Assert.Contains("cacheHit=\"true\"", line, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("/metrics")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await health.GetAsync("/v2/")).StatusCode);
    }

    private static HttpClient Client(KuikService proxy) => new() { BaseAddress = proxy.Endpoint };

    private static async Task<string?> CodeOf(HttpResponseMessage answer) =>
        (string?)(await answer.Content.ReadFromJsonAsync<JsonObject>())!["errors"]![0]!["code"];
}
