using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Kuik.Oci;

namespace Kuik.Tests.Oci;

/// <summary>
/// Names and addresses of the test's own, all of which lead to this machine: a server that runs here has only loopback addresses, and no
/// real name changes its address when a test wants it.
/// </summary>
internal sealed class TestInternet
{
    private readonly ConcurrentDictionary<string, string[]> names = new();
    private readonly ConcurrentQueue<IPAddress> connected = new();

    /// <summary>The connections, in order.</summary>
    public IReadOnlyList<string> Connected => [.. connected.Select(address => address.ToString())];

    /// <summary>Says what a name's addresses are from now on.</summary>
    public void Name(string name, params string[] addresses) => names[name] = addresses;

    public RegistryNetwork Network(params string[] allowed) => new()
    {
        Redirects = new RedirectRules(allowed),
        FindAddresses = (name, _) => Task.FromResult(names[name].Select(IPAddress.Parse).ToArray()),
        Connect = async (to, stop) =>
        {
            connected.Enqueue(to.Address);
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, to.Port, stop);
            return new NetworkStream(socket, ownsSocket: true);
        },
    };
}
