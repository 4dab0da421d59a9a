using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>An upgrade of node-proxy: the new process takes the port over before the old one lets go.</summary>
public sealed class SocketHandoverTests
{
    private const int Takeovers = 20;
    private const int Pulls = 1000;

    [Fact]
    public async Task A_thousand_pulls_across_twenty_takeovers_all_succeed()
    {
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 70, size: 200_000);
        await cache.Store("reg.example.com/a", "1", image);
        var port = FreePort.Next();
        var current = await Start(cache, port);
        using var over = new CancellationTokenSource();
        var pullers = new[] { TimeSpan.Zero, TimeSpan.Zero,
            Timeout.InfiniteTimeSpan }.Select(lifetime => Pull(port, lifetime, image, over.Token)).ToList();

        for (var i = 0; i < Takeovers; i++)
        {
            var next = await Start(cache, port);
            await current.Stop();
            Assert.Equal(0, current.Process.ExitCode);
            current = next;
        }
        await over.CancelAsync();

        Assert.InRange((await Task.WhenAll(pullers)).Sum(), Pulls, int.MaxValue);
    }

    [Fact]
    public async Task New_connections_go_to_the_newest_process_and_back_when_it_dies()
    {
        var (first, second) = (await Registry.Start(), await Registry.Start());
        var (old, @new) = (TestImage.Small(seed: 71), TestImage.Small(seed: 72));
        await first.Store("reg.example.com/a", "1", old);
        await second.Store("reg.example.com/a", "1", @new);
        var port = FreePort.Next();
        await Start(first, port);
        var newer = await Start(second, port);

        for (var i = 0; i < 20; i++)
            Assert.Equal(@new.Bytes, await PullOnce(port));
        newer.Kill();

        for (var i = 0; i < 20; i++)
            Assert.Equal(old.Bytes, await PullOnce(port));
    }

    [Fact]
    public async Task A_download_that_began_before_the_takeover_is_finished_and_kept_connections_are_told_to_close()
    {
        var registry = await Registry.Start();
        var image = TestImage.Small(seed: 73, size: 20_000_000);
        await registry.Store("reg.example.com/a", "1", image);
        var cache = await Front.Start(registry, bytesPerSecond: 5_000_000);
        var port = FreePort.Next();
        var old = await Start(cache.Endpoint, port);
        using var client = new HttpClient { BaseAddress = old.Endpoint };
        using var download =
            await client.GetAsync($"/v2/reg.example.com/a/blobs/{image.Layers[^1].Digest}", HttpCompletionOption.ResponseHeadersRead);
        (await client.GetAsync("/v2/")).Dispose();   // a second connection, which is kept
        await Start(cache.Endpoint, port);

        old.Process.Signal(15);
        await Eventually.True(async () => (await client.GetAsync("/v2/")).Headers.ConnectionClose == true,
            "an answer of the old process says that it closes");

        Assert.Equal(image.Layers[^1].Bytes, await download.Content.ReadAsByteArrayAsync());
        Assert.Equal(0, await old.Ended());
    }

    [Fact]
    public async Task Another_program_that_holds_the_port_is_not_shared_with()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();

        var proxy = await KuikService.Start("NodeProxy",
            new KuikServiceOptions { WaitFor = null, Port = ((IPEndPoint)taken.LocalEndpoint).Port });

        Assert.Equal(78, await proxy.Ended());
        Assert.Contains("address already in use", Assert.Single(proxy.Log.Trim().Split('\n')), StringComparison.Ordinal);
    }

    // The kernel's promise, of which the whole thing makes use: only root can show it, as it takes a second user.
    [Fact(SkipUnless = nameof(IsRoot), Skip = "only root can become another user")]
    public async Task Another_users_process_cannot_share_the_port()
    {
        var proxy = await StartNodeProxy.With();
        const string bind = "use Socket; socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, 15, 1); exit(bind(S, "
            + "sockaddr_in($ARGV[0], inet_aton('127.0.0.1'))) ? 0 : $!{EADDRINUSE} ? 7 : 8)";
        var port = proxy.Port.ToString(CultureInfo.InvariantCulture);

        var same = await RunTool.Try("perl", ["-MErrno", "-e", bind, port]);
        var other = await RunTool.Try("setpriv", ["--reuid=65534", "--clear-groups", "perl", "-MErrno", "-e", bind, port]);

        Assert.Equal((0, 7), (same.ExitCode, other.ExitCode));
    }

    public static bool IsRoot => Environment.IsPrivilegedProcess;

    private static Task<KuikService> Start(Registry cache, int port) => Start(cache.Endpoint, port);

    private static Task<KuikService> Start(Uri cache, int port) =>
        KuikService.Start("NodeProxy",
            new KuikServiceOptions
            { Port = port, Settings = new Dictionary<string, string?> { ["Kuik:Cache:ReadEndpoint"] = cache.AbsoluteUri } });

    /// <summary>Pulls manifest and layer until told to stop: on a connection each (then nothing is ever tried twice), or on kept
    /// ones.</summary>
    private static async Task<int> Pull(int port, TimeSpan connectionLifetime, TestImage image, CancellationToken ct)
    {
        using var client = Client(port, connectionLifetime);
        var pulls = 0;
        for (; !ct.IsCancellationRequested; pulls++)
        {
            Assert.Equal(image.Bytes, await client.GetByteArrayAsync("/v2/reg.example.com/a/manifests/1", CancellationToken.None));
            Assert.Equal(image.Layers[^1].Bytes,
                await client.GetByteArrayAsync($"/v2/reg.example.com/a/blobs/{image.Layers[^1].Digest}", CancellationToken.None));
        }
        return pulls;
    }

    private static async Task<byte[]> PullOnce(int port)
    {
        using var client = Client(port, TimeSpan.Zero);
        return await client.GetByteArrayAsync("/v2/reg.example.com/a/manifests/1");
    }

    private static HttpClient Client(int port, TimeSpan connectionLifetime) =>
        new(new SocketsHttpHandler { PooledConnectionLifetime = connectionLifetime }) { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
}
