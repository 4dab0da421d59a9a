using System.Net;
using System.Net.Sockets;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>node-proxy behind a hostPort: it listens on the pod's addresses and nowhere else.</summary>
public sealed class ListenAddressTests
{
    [Fact]
    public async Task Pulls_are_answered_on_the_addresses_that_are_named_and_on_no_other()
    {
        var proxy = await StartNodeProxy.With(more: ("Kuik:Proxy:ListenAddress", "127.0.0.2,127.0.0.3"));

        using var http = new HttpClient();
        foreach (var address in (string[])["127.0.0.2", "127.0.0.3"])
            Assert.Equal("{}", await http.GetStringAsync(new Uri($"http://{address}:{proxy.Port}/v2/")));
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var refused = await Assert.ThrowsAsync<SocketException>(() => socket.ConnectAsync(IPAddress.Loopback, proxy.Port));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        proxy.Kill();
    }
}
