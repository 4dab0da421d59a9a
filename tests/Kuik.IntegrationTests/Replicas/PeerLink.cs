using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>The network's treatment of the connections that one replica opens to another.</summary>
internal enum LinkState
{
    Open,

    /// <summary>Open connections are reset, new ones too.</summary>
    Cut,

    /// <summary>Connections are accepted, and nothing passes on them in either direction until the link is open again.</summary>
    Silent,
}

/// <summary>
/// The network from one replica to another: a TCP relay on a port of its own, which is the address by which the one knows the other.
/// </summary>
internal sealed class PeerLink : IDisposable
{
    private const int BufferSize = 64 << 10;

    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<Socket, bool> sockets = new();
    private readonly CancellationTokenSource end = new();
    private readonly int target;
    private volatile TaskCompletionSource opened = new();

    private PeerLink(int target)
    {
        this.target = target;
        opened.SetResult();
        listener.Start();
        _ = Accept();
    }

    public LinkState State { get; private set; } = LinkState.Open;

    public Uri Address => new($"http://{listener.LocalEndpoint}/");

    /// <summary>Starts one, open.</summary>
    /// <param name="port">Of the replica that it leads to.</param>
    public static PeerLink To(int port) => new(port);

    public void Cut() => Change(LinkState.Cut);

    public void Silence() => Change(LinkState.Silent);

    public void Heal() => Change(LinkState.Open);

    public void Dispose()
    {
        end.Cancel();
        listener.Stop();
        Reset();
        end.Dispose();
    }

    private void Change(LinkState state)
    {
        State = state;
        if (state == LinkState.Silent && opened.Task.IsCompleted)
            opened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (state == LinkState.Cut)
            Reset();
        if (state != LinkState.Silent)
            opened.TrySetResult();
    }

    private async Task Accept()
    {
        try
        {
            while (true)
                _ = Relay(await listener.AcceptSocketAsync(end.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The link's end.
        }
    }

    private async Task Relay(Socket from)
    {
        using var to = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        from.NoDelay = true;
        (sockets[from], sockets[to]) = (true, true);
        try
        {
            if (State == LinkState.Cut)
                return;
            await opened.Task.WaitAsync(end.Token);
            await to.ConnectAsync(IPAddress.Loopback, target, end.Token);
            await Task.WhenAll(Pump(from, to), Pump(to, from));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // One of the two is gone, or the link was cut: the other one sees a reset.
        }
        finally
        {
            Reset(from);
            Reset(to);
        }
    }

    private async Task Pump(Socket from, Socket to)
    {
        var buffer = new byte[BufferSize];
        try
        {
            while (await from.ReceiveAsync(buffer, end.Token) is > 0 and var got)
            {
                await opened.Task.WaitAsync(end.Token);
                await to.SendAsync(buffer.AsMemory(0, got), end.Token);
            }
            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Reset(from);
            Reset(to);
        }
    }

    private void Reset()
    {
        foreach (var socket in sockets.Keys)
            Reset(socket);
    }

    private void Reset(Socket socket)
    {
        if (!sockets.TryRemove(socket, out _))
            return;
        socket.LingerState = new LingerOption(true, 0);
        socket.Close();
    }
}
