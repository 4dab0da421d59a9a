using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Kuik.Tests.Oci;

/// <summary>A server that shows request targets byte for byte and answers with any bytes: frameworks parse and clean both.</summary>
internal sealed class RawServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<string, string, string> _answer;
    private readonly ConcurrentQueue<string> _requests = new();

    /// <param name="answer">Makes the whole answer from the method and the target; both as Latin-1.</param>
    public RawServer(Func<string, string, string> answer)
    {
        _answer = answer;
        _listener.Start();
        _ = Serve();
    }

    public string Host => $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>Method and target of every request so far.</summary>
    public IReadOnlyList<string> Requests => [.. _requests];

    /// <summary>An answer with a body, after which the connection closes.</summary>
    public static string Answer(int status, string body = "", params (string Name, string Value)[] headers) =>
        $"HTTP/1.1 {status} Word\r\nContent-Length: {body.Length}\r\nConnection: "
            + $"close\r\n{string.Concat(headers.Select(h => $"{h.Name}: {h.Value}\r\n"))}\r\n{body}";

    public void Dispose() => _listener.Dispose();

    private async Task Serve()
    {
        try
        {
            while (true)
                _ = Serve(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task Serve(TcpClient client)
    {
        using (client)
        {
            var stream = client.GetStream();
            var (method, target) = await ReadRequest(stream);
            _requests.Enqueue($"{method} {target}");
            await stream.WriteAsync(Encoding.Latin1.GetBytes(_answer(method, target)));
        }
    }

    private static async Task<(string Method, string Target)> ReadRequest(NetworkStream stream)
    {
        var request = new StringBuilder();
        var (buffer, length) = (new byte[4096], -1);
        while (length < 0 || request.Length < length)
        {
            var got = await stream.ReadAsync(buffer);
            if (got == 0)
                break;
            request.Append(Encoding.Latin1.GetString(buffer, 0, got));
            if (length < 0 && request.ToString() is var text && text.IndexOf("\r\n\r\n", StringComparison.Ordinal) is > 0 and var end)
                length = end + 4 + BodyLength(text[..end]);
        }
        var line = request.ToString().Split("\r\n")[0];
        return (line[..line.IndexOf(' ')], line[(line.IndexOf(' ') + 1)..line.LastIndexOf(' ')]);
    }

    private static int BodyLength(string head) =>
        head.Split("\r\n").FirstOrDefault(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)) is { } line
        ? int.Parse(line.AsSpan("Content-Length:".Length), CultureInfo.InvariantCulture) : 0;
}
