using Kuik.IntegrationTests.CopyEngine;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>node-proxy as a runtime's mirror: pods keep their images, and the runtime falls back by itself (docs/mirror-mode.md).</summary>
public sealed class MirrorModeTests
{
    private const string Repository = "team/web";

    [Fact]
    public async Task Ctr_pulls_by_the_images_own_name_from_the_cache_and_from_the_origin_when_node_proxy_is_gone()
    {
        var (cache, origin) = (await Registry.Start(), await Registry.Start());
        var (cached, other) = (TestIndex.Runnable(seed: 80), TestIndex.Runnable(seed: 81));
        await cache.Store(StoreInCache.PathOf(origin, Repository), "1", cached, cached.Child("linux/amd64"));
        var name = await origin.Push(Repository, "2", other);
        var proxy = await StartNodeProxy.With(cache.Endpoint);
        var containerd = await Containerd.Start();
        var hosts = await InstallHosts(proxy.Port);

        var byMirror = await Pull(containerd, hosts, $"{origin.Host}/{Repository}:1");
        Assert.Empty(origin.BlobDownloads());
        proxy.Kill();
        var byItself = await Pull(containerd, hosts, name);

        Assert.Contains("done", byMirror, StringComparison.Ordinal);
        Assert.Contains("done", byItself, StringComparison.Ordinal);
        Assert.NotEmpty(origin.BlobDownloads());
    }

    [Fact]
    public async Task A_tag_that_has_moved_is_served_as_its_origin_has_it_now()
    {
        var (cache, origin) = (await Registry.Start(), await Registry.Start());
        var (before, now) = (TestImage.Small(seed: 82), TestImage.Small(seed: 83));
        var name = await origin.Push(Repository, "1", before);
        await using var fetcher = await StartEngine.Run(cache, [origin.Host]);
        await fetcher.Copy(name);
        await origin.Push(Repository, "1", now);
        using var client = Client(
            await StartNodeProxy.With(cache.Endpoint, fetcher.Endpoint, origin: null, ("Kuik:Proxy:TagPatience", "00:01:00")));

        for (var i = 0; i < 2; i++)
            Assert.Equal(now.Bytes, await client.GetByteArrayAsync($"/v2/{Repository}/manifests/1?ns={origin.Host}"));

        await Eventually.True(async () => (await cache.Manifest(name))?.Bytes.AsSpan().SequenceEqual(now.Bytes) == true,
            "the cache's tag has moved too");
    }

    [Fact]
    public async Task A_rewritten_pod_gets_the_moved_tag_where_tags_are_revalidated_and_the_cached_one_when_the_origin_is_down()
    {
        var (cache, origin) = (await Registry.Start(), await Registry.Start());
        var (before, now) = (TestImage.Small(seed: 86), TestImage.Small(seed: 87));
        var name = await origin.Push(Repository, "1", before);
        await using var fetcher = await StartEngine.Run(cache, [origin.Host]);
        await fetcher.Copy(name);
        await origin.Push(Repository, "1", now);
        var path = $"/v2/{StoreInCache.PathOf(origin, Repository)}/manifests/1";
        (string, string)[] revalidating = [("Kuik:Proxy:TagPatience", "00:01:00"), ("Kuik:Proxy:RevalidateTags", "true")];
        using var usual = Client(await StartNodeProxy.With(cache.Endpoint, fetcher.Endpoint, origin: null));
        using var first = Client(await StartNodeProxy.With(cache.Endpoint, fetcher.Endpoint, origin: null, revalidating));

        Assert.Equal(before.Bytes, await usual.GetByteArrayAsync(path));
        Assert.Equal(now.Bytes, await first.GetByteArrayAsync(path));

        await Eventually.True(async () => (await cache.Manifest(name))?.Bytes.AsSpan().SequenceEqual(now.Bytes) == true,
            "the cache's tag has moved too");
        await origin.Stop();
        using var second = Client(await StartNodeProxy.With(cache.Endpoint, fetcher.Endpoint, origin: null, revalidating));
        Assert.Equal(now.Bytes, await second.GetByteArrayAsync(path));
    }

    [Fact]
    public async Task A_tag_that_has_not_moved_costs_its_origin_one_HEAD_for_all_nodes_and_nothing_else()
    {
        var (cache, origin) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 84);
        var name = await origin.Push(Repository, "1", image);
        await using var fetcher = await StartEngine.Run(cache, [origin.Host]);
        await fetcher.Copy(name);
        var asked = origin.Requests().Count;
        using var first = Client(
            await StartNodeProxy.With(cache.Endpoint, fetcher.Endpoint, origin: null, ("Kuik:Proxy:TagPatience", "00:01:00")));
        using var second = Client(
            await StartNodeProxy.With(cache.Endpoint, fetcher.Endpoint, origin: null, ("Kuik:Proxy:TagPatience", "00:01:00")));

        foreach (var client in new[] { first, second, first, second })
            Assert.Equal(image.Bytes, await client.GetByteArrayAsync($"/v2/{Repository}/manifests/1?ns={origin.Host}"));

        Assert.Equal("HEAD", Assert.Single(origin.Requests().Skip(asked)).Method);
    }

    [Fact]
    public async Task An_origin_that_fails_leaves_the_tag_as_the_cache_has_it()
    {
        var (cache, origin) = (await Registry.Start(), await Registry.Start());
        var image = TestImage.Small(seed: 85);
        var name = await origin.Push(Repository, "1", image);
        await using var fetcher = await StartEngine.Run(cache, [origin.Host]);
        await fetcher.Copy(name);
        await origin.Stop();
        using var client = Client(await StartNodeProxy.With(cache.Endpoint, fetcher.Endpoint));

        Assert.Equal(image.Bytes, await client.GetByteArrayAsync($"/v2/{Repository}/manifests/1?ns={origin.Host}"));
    }

    [Fact]
    public async Task An_origin_that_is_silent_is_waited_for_once()
    {
        // a real one cannot be black-holed on one machine
        await using var origin = await ScriptedServer.Start(http => Task.Delay(Timeout.Infinite, http.RequestAborted));
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 86);
        await cache.Store($"{origin.Host.Replace(':', '_')}/{Repository}", "1", image);
        using var client = Client(
            await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint, ("Kuik:Proxy:BreakerPause", "01:00:00")));

        for (var i = 0; i < 5; i++)
            Assert.Equal(image.Bytes, await client.GetByteArrayAsync($"/v2/{Repository}/manifests/1?ns={origin.Host}"));

        Assert.Single(origin.Requests);
    }

    [Fact]
    public async Task Where_freshness_is_off_and_in_rewritten_pods_a_tag_is_what_the_cache_has()
    {
        await using var origin = await ScriptedServer.Saying(500);
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 87);
        var path = $"{origin.Host.Replace(':', '_')}/{Repository}";
        await cache.Store(path, "1", image);
        using var off = Client(
            await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint, ("Kuik:Proxy:TagFreshness", "00:00:00")));
        using var on = Client(await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin.Endpoint));

        Assert.Equal(image.Bytes, await off.GetByteArrayAsync($"/v2/{Repository}/manifests/1?ns={origin.Host}"));
        Assert.Equal(image.Bytes, await on.GetByteArrayAsync($"/v2/{path}/manifests/1"));

        Assert.Empty(origin.Requests);
    }

    // docs/mirror-mode.md, but for the port.
    private static async Task<string> InstallHosts(int port)
    {
        var folder = Sandbox.Shared.NewFolder("certs.d");
        Directory.CreateDirectory(Path.Combine(folder, "_default"));
        var page = await File.ReadAllTextAsync(Path.Combine(Checkout.Root, "docs", "mirror-mode.md"));
        const string fence = "```toml";
        var begin = page.IndexOf(fence, StringComparison.Ordinal) + fence.Length;
        var toml = page[begin..page.IndexOf("```", begin, StringComparison.Ordinal)];
        Assert.Contains(":7439", toml, StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(folder, "_default", "hosts.toml"),
            toml.Replace(":7439", $":{port}", StringComparison.Ordinal));
        return folder;
    }

    private static Task<string> Pull(Containerd containerd, string hosts, string image) =>
        containerd.Ctr("images", "pull", "--snapshotter", "native", "--platform", "linux/amd64", "--hosts-dir", hosts, image);

    private static HttpClient Client(KuikService proxy) => new() { BaseAddress = proxy.Endpoint };
}
