using System.Net;
using System.Net.Sockets;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>
/// One slow server delays nothing that another one has. All of them are scripts: no real server trickles or hangs on command.
/// </summary>
public sealed class FairnessTests
{
    private static readonly TestImage Image = TestImage.Small(seed: 50, size: 400_000);

    [Fact]
    public async Task Blobs_that_trickle_from_one_origin_hold_up_none_of_another()
    {
        await using var slow = await ScriptedServer.Start(Trickle);
        await using var quick = await ScriptedServer.Start(http => ScriptedServer.Send(http, "12345"u8.ToArray()));
        using var client = Client(await StartNodeProxy.With(cache: null, fetcher: null, slow.Endpoint,
            ("Kuik:InsecureRegistries:1", quick.Endpoint.AbsoluteUri), ("Kuik:Proxy:OriginBlobs", "2"),
            ("Kuik:Proxy:OriginWait", "00:00:01")));
        using var one = await client.GetAsync(BlobAt(slow, Image.Layers[0].Digest), HttpCompletionOption.ResponseHeadersRead);
        using var two = await client.GetAsync(BlobAt(slow, Image.Layers[1].Digest), HttpCompletionOption.ResponseHeadersRead);

        var small = await client.GetByteArrayAsync(BlobAt(quick, TestBlob.DigestOf("12345"u8.ToArray())));
        using var third = await client.GetAsync(BlobAt(slow, Image.Config.Digest));

        Assert.Equal("12345"u8.ToArray(), small);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "5"), (third.StatusCode, third.Headers.RetryAfter?.ToString()));
        Assert.Contains($"too many transfers from {slow.Host}", await third.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Storage_that_hangs_behind_the_cache_does_not_pass_the_cache_over()
    {
        await using var storage = await ScriptedServer.Start(http => Task.Delay(Timeout.Infinite, http.RequestAborted));
        await using var cache = await ScriptedServer.Start(http =>
        {
            if (http.Request.Path.Value!.Contains("/manifests/", StringComparison.Ordinal))
                return ScriptedServer.Send(http, Image.Bytes, Image.MediaType);
            http.Response.StatusCode = 307;
            http.Response.Headers.Location = $"{storage.Endpoint}bucket/blob?signature=1";
            return Task.CompletedTask;
        });
        using var client = Client(
            await StartNodeProxy.With(cache.Endpoint, fetcher: null, StartNodeProxy.ClosedPort(), ("Kuik:Proxy:CacheLimit", "00:00:01"),
                ("Kuik:Proxy:BreakerPause", "01:00:00")));

        using var hung = await client.GetAsync($"/v2/reg.example.com/a/blobs/{Image.Config.Digest}");
        var manifest = await client.GetByteArrayAsync("/v2/reg.example.com/a/manifests/1");
        using var again = await client.GetAsync($"/v2/reg.example.com/a/blobs/{Image.Config.Digest}");

        Assert.Equal((HttpStatusCode.BadGateway, HttpStatusCode.BadGateway), (hung.StatusCode, again.StatusCode));
        Assert.Equal(Image.Bytes, manifest);
        Assert.Single(storage.Requests);
    }

    [Fact]
    public async Task Connections_without_end_are_bounded_and_health_is_still_answered()
    {
        var proxy = await StartNodeProxy.With();
        var flood = new List<Socket>();
        try
        {
            for (var i = 0; i < 4096; i++)
                flood.Add(await Connect(proxy.Port));
            using var health = new HttpClient { BaseAddress = proxy.Health };

            Assert.True((await health.GetAsync("/healthz")).IsSuccessStatusCode);
            await Eventually.True(
                async () =>
                {
                    using var beyond = await Connect(proxy.Port);
                    return await IsClosed(beyond);
                },
                "a connection beyond the limit is closed");
        }
        finally
        {
            flood.ForEach(socket => socket.Dispose());
        }
    }

    private static async Task<Socket> Connect(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port);
        return socket;
    }

    private static async Task<bool> IsClosed(Socket socket)
    {
        try
        {
            await socket.SendAsync("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());
            return await socket.ReceiveAsync(new byte[1]) == 0;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    private static string BlobAt(ScriptedServer origin, string digest) => $"/v2/{origin.Host.Replace(':', '_')}/a/blobs/{digest}";

    private static async Task Trickle(HttpContext http)
    {
        http.Response.ContentLength = 1_000_000;
        for (var i = 0; i < 1000; i++)
        {
            await http.Response.Body.WriteAsync(new byte[1], http.RequestAborted);
            await http.Response.Body.FlushAsync(http.RequestAborted);
            await Task.Delay(TimeSpan.FromSeconds(1), http.RequestAborted);
        }
    }

    private static HttpClient Client(KuikService proxy) => new() { BaseAddress = proxy.Endpoint };
}
