using System.Net;
using System.Net.Sockets;
using Kuik.Hosting;
using Microsoft.Extensions.Configuration;

namespace Kuik.Oci;

/// <summary>What lies between this process and a registry.</summary>
public sealed record RegistryNetwork
{
    /// <summary>The way to our own cache registry: never through a proxy, and wherever it keeps its blobs is right.</summary>
    public static readonly RegistryNetwork Own = new() { Redirects = null };

    /// <summary>Which requests go through a proxy. Default none.</summary>
    public ProxyRules Proxies { get; init; } = ProxyRules.None;

    /// <summary>Where a registry may send us. Default: as with nothing allowed; null: anywhere.</summary>
    public RedirectRules? Redirects { get; init; } = new([]);

    /// <summary>Why an address is never asked, whether a reference names it or a registry sends us there; null when it may be. Default: all may.</summary>
    public Func<Uri, string?> Denied { get; init; } = _ => null;

    /// <summary>Finds the addresses of a name. Default: as this machine does; tests have names of their own.</summary>
    internal Func<string, CancellationToken, Task<IPAddress[]>> FindAddresses { get; init; } = AddressResolver.Shared.Find;

    /// <summary>Connects. Default: by TCP; tests have an internet of their own.</summary>
    internal Func<IPEndPoint, CancellationToken, Task<Stream>> Connect { get; init; } = ConnectByTcp;

    /// <summary>The way to origins, as the environment and <c>Kuik:AllowedPrivateAddresses</c> describe it.</summary>
    /// <exception cref="WrongSetting">One of them is not accepted.</exception>
    public static RegistryNetwork From(IConfiguration configuration) =>
        new() { Proxies = ProxyRules.FromEnvironment(), Redirects = RedirectRules.From(configuration) };

    internal static async Task<Stream> ConnectByTcp(IPEndPoint to, CancellationToken stop)
    {
        var address = to.Address.IsIPv4MappedToIPv6 ? to.Address.MapToIPv4() : to.Address;   // a socket of one family takes no address of the other
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(address, to.Port, stop);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
