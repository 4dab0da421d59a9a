using System.Net;
using System.Net.Sockets;
using Kuik.Hosting;
using Microsoft.Extensions.Configuration;

namespace Kuik.Oci;

/// <summary>The network between this process and a registry: proxies, allowed private addresses, origin rules.</summary>
public sealed record RegistryNetwork
{
    /// <summary>
    /// The way to our own cache registry: never through a proxy, and wherever it keeps its blobs is right. It is near: one that takes no
    /// connection is being replaced, and pulls that wait for it have the origin.
    /// </summary>
    public static readonly RegistryNetwork Own = new()
    {
        Redirects = null,
        MaxTransfers = 256,
        ConnectLimit = TimeSpan.FromSeconds(2),
        SilencePause = TimeSpan.FromSeconds(3),
    };

    /// <summary>The proxies. Default none.</summary>
    public ProxyRules Proxies { get; init; } = ProxyRules.None;

    /// <summary>Where a registry may send us. Default: as with nothing allowed; null: anywhere.</summary>
    public RedirectRules? Redirects { get; init; } = new([]);

    /// <summary>Why an address is never asked, whether a reference names it or a registry sends us there; null when it may be. Default: all
    /// may.</summary>
    public Func<Uri, string?> Denied { get; init; } = _ => null;

    /// <summary>Blobs that come from or go to one host (with its port) at a time. Default 64; further ones wait.</summary>
    public int MaxTransfers { get; init; } = 64;

    /// <summary>The same of requests with small answers, which do not wait for blobs. Default 32.</summary>
    public int MaxQuestions { get; init; } = 32;

    /// <summary>How long one address of a registry may take to accept a connection. Default 8 s, and 2 s for <see cref="Own"/>: TCP sends
    /// its first packet again after 1, 3 and 7 seconds.</summary>
    public TimeSpan ConnectLimit { get; init; } = HappyEyeballs.AttemptLimit;

    /// <summary>The time for which a registry that accepted no connection within <see cref="ConnectLimit"/> is not tried again: requests
    /// fail at once. Default none, and 3 s for <see cref="Own"/>: a pull has several blobs, and each would wait.</summary>
    public TimeSpan SilencePause { get; init; }

    /// <summary>Finds the addresses of a name. Default: as this machine does; tests have names of their own.</summary>
    internal Func<string, CancellationToken, Task<IPAddress[]>> FindAddresses { get; init; } = AddressResolver.Shared.Find;

    /// <summary>Connects. Default: by TCP; tests have an internet of their own.</summary>
    internal Func<IPEndPoint, CancellationToken, Task<Stream>> Connect { get; init; } = ConnectByTcp;

    /// <summary>The way to origins, as the environment and <c>Kuik:AllowedPrivateAddresses</c> describe it.</summary>
    /// <exception cref="InvalidSettingException">One of them is not accepted.</exception>
    public static RegistryNetwork From(IConfiguration configuration) =>
        new() { Proxies = ProxyRules.FromEnvironment(), Redirects = RedirectRules.From(configuration) };

    internal static async Task<Stream> ConnectByTcp(IPEndPoint to, CancellationToken ct)
    {
        // a socket of one family takes no address of the other
        var address = to.Address.IsIPv4MappedToIPv6 ? to.Address.MapToIPv4() : to.Address;
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            KeepAlive(socket);
            await socket.ConnectAsync(address, to.Port, ct);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Enables keep-alive: a silently broken connection is noticed after 75 s, and a firewall does not drop an idle one.</summary>
    private static void KeepAlive(Socket socket)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 30);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 15);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
    }
}
