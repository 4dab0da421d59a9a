using System.Net;
using System.Net.Sockets;

namespace Kuik.Testing;

/// <summary>A port with a full queue of connections: Linux drops further ones, as a network drops packets to an unused address.</summary>
public sealed class FullListener : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    private readonly List<Socket> _sockets = [];

    /// <summary>Listens on a free port of 127.0.0.1, and fills the queue.</summary>
    public FullListener()
    {
        var listener = New();
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(backlog: 0);
        Port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        while (New().ConnectAsync(IPAddress.Loopback, Port).Wait(Patience))
        {
        }
    }

    /// <summary>The port.</summary>
    public int Port { get; }

    public void Dispose() => _sockets.ForEach(socket => socket.Dispose());

    private Socket New()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _sockets.Add(socket);
        return socket;
    }
}
