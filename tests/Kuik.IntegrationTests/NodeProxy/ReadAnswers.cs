using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>A client that sends whatever it is given, which no HTTP library would, and reads one answer to it.</summary>
internal sealed class ReadAnswers(Socket socket)
{
    private byte[] _buffer = new byte[64 << 10];
    private int _got;

    /// <summary>The connection may be used for another request.</summary>
    public bool IsKept { get; private set; }

    /// <param name="request">As it is.</param>
    /// <param name="isWhole">An answer is due; otherwise nothing more is sent, and it may also just close.</param>
    /// <param name="isHead">The answer has no body.</param>
    /// <returns>The status; null when the connection was closed or reset without one.</returns>
    public async Task<int?> Ask(byte[] request, bool isWhole, bool isHead)
    {
        IsKept = false;
        try
        {
            await socket.SendAsync(request);
            if (!isWhole)
                socket.Shutdown(SocketShutdown.Send);
            while (true)
            {
                var end = _buffer.AsSpan(0, _got).IndexOf("\r\n\r\n"u8);
                if (end < 0)
                {
                    if (!await Receive())
                        return null;
                    continue;
                }
                var head = Encoding.Latin1.GetString(_buffer, 0, end);
                var status = int.Parse(head.AsSpan(9, 3), CultureInfo.InvariantCulture);
                Drop(end + 4);
                if (status == 100)
                    continue;
                await SkipBody(head, isHead || status is 204 or 304);
                return status;
            }
        }
        catch (SocketException)
        {
            return null;   // reset: it did not want to hear the rest
        }
    }

    private async Task SkipBody(string head, bool hasNone)
    {
        var length = head.Split("\r\n").FirstOrDefault(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase));
        if (length is null && !hasNone)
            return;   // chunked or until the end: this connection is given up
        var left = hasNone ? 0 : int.Parse(length!.AsSpan("Content-Length:".Length), CultureInfo.InvariantCulture);
        while (_got < left)
            if (!await Receive())
                return;
        Drop(left);
        IsKept = _got == 0 && !head.Contains("Connection: close", StringComparison.OrdinalIgnoreCase);
    }

    private async Task<bool> Receive()
    {
        if (_got == _buffer.Length)
            Array.Resize(ref _buffer, 2 * _buffer.Length);
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var more = await socket.ReceiveAsync(_buffer.AsMemory(_got), patience.Token);
        _got += more;
        return more > 0;
    }

    private void Drop(int count)
    {
        _buffer.AsSpan(count, _got - count).CopyTo(_buffer);
        _got -= count;
    }
}
