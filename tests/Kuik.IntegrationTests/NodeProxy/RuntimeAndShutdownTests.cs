using System.Net.Sockets;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>node-proxy as the process that a node runs: a runtime's pulls, its end, and settings it cannot start with.</summary>
public sealed class RuntimeAndShutdownTests
{
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("[::1]")]
    [InlineData("localhost")]
    public async Task Containerd_pulls_and_unpacks_an_image(string host)
    {
        var cache = await Registry.Start();
        var index = TestIndex.Runnable(seed: 60);
        await cache.Store("docker.io/library/web", "1", index, index.Child("linux/amd64"));
        var proxy = await StartNodeProxy.With(cache.Endpoint);
        var containerd = await Containerd.Start();

        var output = await containerd.Pull($"{host}:{proxy.Port}/web:1", "linux/amd64");

        Assert.Contains("done", output, StringComparison.Ordinal);
        var images = await containerd.Ctr("images", "list");
        Assert.Contains(index.Digest, images, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stop_waits_for_the_downloads_that_are_running()
    {
        var registry = await Registry.Start();
        var image = TestImage.Small(seed: 61, size: 20_000_000);
        var layer = image.Layers[^1];
        await registry.Store("reg.example.com/a", "1", image);
        var cache = await Front.Start(registry, bytesPerSecond: 10_000_000);
        var proxy = await StartNodeProxy.With(cache.Endpoint);
        using var client = new HttpClient { BaseAddress = proxy.Endpoint };
        using var answer = await client.GetAsync($"/v2/reg.example.com/a/blobs/{layer.Digest}", HttpCompletionOption.ResponseHeadersRead);

        var stopped = proxy.Stop();
        var bytes = await answer.Content.ReadAsByteArrayAsync();
        await stopped;

        Assert.Equal(layer.Bytes, bytes);
        Assert.Equal(0, proxy.Process.ExitCode);
    }

    [Fact]
    public async Task A_client_that_disconnects_does_not_affect_the_others()
    {
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 62, size: 20_000_000);
        var layer = image.Layers[^1];
        await cache.Store("reg.example.com/a", "1", image);
        var proxy = await StartNodeProxy.With(cache.Endpoint);
        using var client = new HttpClient { BaseAddress = proxy.Endpoint };
        var path = $"/v2/reg.example.com/a/blobs/{layer.Digest}";

        for (var i = 0; i < 5; i++)
        {
            using var answer = await client.GetAsync(path, HttpCompletionOption.ResponseHeadersRead);
            await using var body = await answer.Content.ReadAsStreamAsync();
            await body.ReadExactlyAsync(new byte[100_000]);
        }

        Assert.Equal(layer.Bytes, await client.GetByteArrayAsync(path));
        Assert.DoesNotContain("ERROR", proxy.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("CORRUPT", proxy.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pods_that_name_a_previous_port_are_served_on_it()
    {
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 63);
        await cache.Store("reg.example.com/a", "1", image);
        var previous = FreePort.Next();
        await StartNodeProxy.With(cache.Endpoint, fetcher: null, origin: null, ("Kuik:Proxy:PreviousPorts", $"{previous}"));

        Assert.Equal(image.Bytes, await Skopeo.InspectRaw($"127.0.0.1:{previous}/reg.example.com/a:1"));
    }

    [Fact]
    public async Task Pulls_are_answered_on_loopback_alone()
    {
        var proxy = await StartNodeProxy.With();
        using var socket = new TcpClient();

        // All of 127.0.0.0/8 is this machine; a listener on every address would answer here.
        await Assert.ThrowsAsync<SocketException>(() => socket.ConnectAsync("127.0.0.2", proxy.Port));
    }

    [Theory]
    [InlineData("Kuik:Cache:ReadEndpoint", "registry:5000")]
    [InlineData("Kuik:Metrics:Urls", "everywhere")]
    [InlineData("Kuik:InsecureRegistries:0", "ftp://x")]
    [InlineData("Kuik:AllowedPrivateAddresses:0", "169.254.169.254")]
    [InlineData("https_proxy", "socks5://proxy:1080")]
    public async Task A_wrong_setting_ends_it_with_one_line_that_names_it(string key, string value)
    {
        var proxy = await KuikService.Start("NodeProxy",
            new KuikServiceOptions { WaitFor = null, Settings = new Dictionary<string, string?> { [key] = value } });

        Assert.Equal(78, await proxy.Ended());
        Assert.StartsWith($"node-proxy: {key.Replace(":0", "", StringComparison.Ordinal)}: \"{value}\" is not accepted",
            Assert.Single(proxy.Log.Trim().Split('\n')), StringComparison.Ordinal);
    }
}
