using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Kuik.Testing;

/// <summary>Unused ports.</summary>
public static class FreePort
{
    private static readonly ConcurrentDictionary<int, bool> Given = new();

    /// <summary>
    /// A port for a server on 127.0.0.1 and [::1], given out once in this process. It lies below the range from which Linux
    /// takes the ports of outgoing connections, so that none of those has it when a server comes back to its port.
    /// </summary>
    public static int Next()
    {
        while (true)
        {
            var port = RandomNumberGenerator.GetInt32(10_000, 32_000);
            if (IsFree(IPAddress.Loopback, port) && IsFree(IPAddress.IPv6Loopback, port) && Given.TryAdd(port, true))
                return port;
        }
    }

    /// <summary>True when a server could listen there now.</summary>
    public static bool IsFree(IPAddress address, int port)
    {
        using var listener = new TcpListener(address, port);
        try
        {
            listener.Start();
            return true;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode is not SocketError.AddressAlreadyInUse;   // without IPv6 there is no listener
        }
    }
}
