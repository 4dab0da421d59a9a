using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Kuik.NodeProxy;

/// <summary>
/// Lets a new process take the ports over while the old one still serves, so that an upgrade loses no pull:
/// 1. Both bind with SO_REUSEPORT. The kernel allows that to processes of one user only, and only where every one of them asks for it.
/// 2. A new connection goes to the newest listener as soon as it listens. Left alone the kernel would spread connections over both, and
/// what waits in the queue of a    listener that closes is reset.
/// 3. The process that is told to stop tells its clients to close, and keeps listening until no connection has come for a moment. Then
/// Kestrel stops, and drains what is running. See docs/decisions/0005-take-over.md.
/// </summary>
internal sealed partial class SocketHandover(TimeProvider time, ILogger<SocketHandover> logger) : IHostedLifecycleService
{
    // From Linux's headers; .NET has no names for them.
    private const int SocketLevel = 1;
    private const int ReusePort = 15;
    private const int ReusePortProgram = 51;
    private const int TcpLevel = 6;
    private const int TcpInfo = 11;
    private const int WaitingInTcpInfo = 24;

    /// <summary>So long nothing new may come before the ports are let go.</summary>
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(500);

    /// <summary>With no successor there is no quiet: clients have to be turned away some time.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    private readonly List<Socket> _listeners = [];
    private long _arrived;
    private int _silent;

    /// <summary>This process has been told to stop: every answer tells its client to close the connection.</summary>
    public bool IsLeaving { get; private set; }

    /// <summary>A socket for one of Kestrel's endpoints.</summary>
    /// <exception cref="SocketException">The address is in use, by another program or another user's process.</exception>
    public Socket Bind(EndPoint endpoint)
    {
        var listener = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (endpoint is IPEndPoint { Address: var address } && address.Equals(IPAddress.IPv6Any))
                listener.DualMode = true;
            if (OperatingSystem.IsLinux())
                listener.SetRawSocketOption(SocketLevel, ReusePort, BitConverter.GetBytes(1));
            listener.Bind(endpoint);
        }
        catch
        {
            listener.Dispose();
            throw;
        }
        _listeners.Add(listener);
        return listener;
    }

    /// <summary>A connection has come in on a pull port.</summary>
    public void Arrived()
    {
        Interlocked.Increment(ref _arrived);
        Interlocked.Increment(ref _silent);
    }

    /// <summary>A connection has asked for the first time, or has gone without.</summary>
    public void Spoke() => Interlocked.Decrement(ref _silent);

    /// <summary>From here on the next process to listen gets every new connection.</summary>
    public Task StartedAsync(CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsLinux())
            foreach (var listener in _listeners)
                GiveToNewest(listener);
        return Task.CompletedTask;
    }

    /// <summary>Answers on until nothing new comes; the host stops Kestrel after it.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        IsLeaving = true;
        var begun = time.GetTimestamp();
        for (var isQuiet = false; !isQuiet && !cancellationToken.IsCancellationRequested && time.GetElapsedTime(begun) < Longest;)
        {
            var before = Interlocked.Read(ref _arrived);
            // the limit for draining is over
            await Task.Delay(Quiet, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            isQuiet = Interlocked.Read(ref _arrived) == before && Volatile.Read(ref _silent) <= 0 && !_listeners.Exists(HasWaiting);
        }
    }

    Task IHostedLifecycleService.StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    Task IHostedService.StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    Task IHostedService.StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    Task IHostedLifecycleService.StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>
    /// Makes the kernel hand connections to the second of the listeners on this address, by a program of one instruction ("return
    /// 1"). When the first one is closed, the other becomes the first; while there is no second, the result is out of range and the
    /// kernel continues as without a program.
    /// </summary>
    private void GiveToNewest(Socket listener)
    {
        const long returnOne = 0x1_0000_0006;   // BPF_RET | BPF_K, k = 1
        var instruction = Marshal.AllocHGlobal(sizeof(long));
        try
        {
            Marshal.WriteInt64(instruction, returnOne);
            var program = new byte[2 * IntPtr.Size];   // struct sock_fprog: how many, and where
            program[0] = 1;
            BitConverter.TryWriteBytes(program.AsSpan(IntPtr.Size), instruction);
            listener.SetRawSocketOption(SocketLevel, ReusePortProgram, program);
        }
        catch (SocketException refused)
        {
            SayUnsteered(refused.Message);
        }
        finally
        {
            Marshal.FreeHGlobal(instruction);
        }
    }

    // Of a listener, tcpi_unacked is the number of connections that are not accepted yet.
    private static bool HasWaiting(Socket listener)
    {
        if (!OperatingSystem.IsLinux())
            return false;
        var info = new byte[WaitingInTcpInfo + sizeof(int)];
        listener.GetRawSocketOption(TcpLevel, TcpInfo, info);
        return BitConverter.ToInt32(info, WaitingInTcpInfo) > 0;
    }

    [LoggerMessage(LogLevel.Warning,
        "this kernel cannot hand new connections to the newest process ({Reason}): an upgrade may break a pull that just connects")]
    private partial void SayUnsteered(string reason);
}
