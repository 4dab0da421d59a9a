using System.Net;
using System.Net.Sockets;
using System.Text;
using Kuik.Testing;

namespace Kuik.Bench.Pull;

/// <summary>A client that takes bytes and does nothing with them, so that it costs little beside the server that is measured.</summary>
internal static class Download
{
    private const int Chunk = 256 << 10;

    /// <summary>Takes a whole blob as fast as it comes.</summary>
    /// <exception cref="ServerFailedException">Not all of it came.</exception>
    public static Task Whole(Uri address, long size) => Task.Factory.StartNew(
        () =>
        {
            using var socket = Ask(address);
            var (buffer, got) = (new byte[Chunk], 0);
            int end;
            while ((end = buffer.AsSpan(0, got).IndexOf("\r\n\r\n"u8)) < 0)
                got += socket.Receive(buffer.AsSpan(got)) is > 0 and var more
                    ? more
                    : throw new ServerFailedException($"{address}: no answer");
            long taken = got - end - 4;
            while (socket.Receive(buffer) is > 0 and var next)
                taken += next;
            if (taken != size)
                throw new ServerFailedException($"{address}: {taken} bytes of {size} came: {Encoding.ASCII.GetString(buffer, 0, end)}");
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Takes bytes slowly for some time, then leaves.</summary>
    public static async Task Slowly(Uri address, int bytesPerSecond, TimeSpan time)
    {
        const int StepsPerSecond = 10;
        using var socket = Ask(address, receiveBuffer: 64 << 10);
        var buffer = new byte[bytesPerSecond / StepsPerSecond];
        using var step = new PeriodicTimer(TimeSpan.FromSeconds(1d / StepsPerSecond));
        for (var left = (int)(time.TotalSeconds * StepsPerSecond); left > 0 && await step.WaitForNextTickAsync(); left--)
            for (var got = 0; got < buffer.Length;)
                got += await socket.ReceiveAsync(buffer.AsMemory(got)) is > 0 and var more
                    ? more
                    : throw new ServerFailedException($"{address} broke off");
    }

    private static Socket Ask(Uri address, int? receiveBuffer = null)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        if (receiveBuffer is { } size)
            socket.ReceiveBufferSize = size;
        socket.Connect(IPAddress.Parse(address.Host), address.Port);
        socket.Send(Encoding.ASCII.GetBytes(
            $"GET {address.AbsolutePath} HTTP/1.1\r\nHost: {address.Authority}\r\nConnection: close\r\n\r\n"));
        return socket;
    }
}
