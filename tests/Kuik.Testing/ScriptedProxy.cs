using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Kuik.Testing;

/// <summary>One request that a <see cref="ScriptedProxy"/> got.</summary>
/// <param name="Method"><c>CONNECT</c> for TLS, else that of the request.</param>
/// <param name="Target">Host and port of a CONNECT, else the whole address.</param>
/// <param name="Authorization">The Proxy-Authorization header; null for none.</param>
public sealed record ProxyRequest(string Method, string Target, string? Authorization);

/// <summary>
/// A forward proxy in this process, real on the wire, that keeps a ledger of every request. A fake because it has to resolve names that do
/// not exist to servers of the test, and to record its requests.
/// </summary>
public sealed class ScriptedProxy : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stopping = new();
    private readonly ConcurrentDictionary<string, string> leads = new();
    private readonly ConcurrentQueue<ProxyRequest> ledger = new();
    private readonly string? wanted;
    private Task accepting = Task.CompletedTask;

    private ScriptedProxy(string? wanted) => this.wanted = wanted;

    /// <summary>Host and port: <c>127.0.0.1:PORT</c>.</summary>
    public string Host => listener.LocalEndpoint.ToString()!;

    /// <summary>Every request so far, in order.</summary>
    public IReadOnlyList<ProxyRequest> Ledger => [.. ledger];

    /// <summary>Starts one on a free port of 127.0.0.1, without authentication.</summary>
    public static ScriptedProxy Start() => Start(null);

    /// <summary>Starts one that answers 407 to clients without these credentials (Basic).</summary>
    public static ScriptedProxy Start(string user, string password) =>
        Start("Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));

    /// <summary>Sets the server of a name; other names are unreachable (502).</summary>
    /// <param name="name">Host and port as clients name them.</param>
    /// <param name="host">Host and port of the server.</param>
    public void Leads(string name, string host) => leads[name] = host;

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        listener.Dispose();
        await accepting;
        stopping.Dispose();
    }

    private static ScriptedProxy Start(string? wanted)
    {
        var proxy = new ScriptedProxy(wanted);
        proxy.listener.Start();
        proxy.accepting = proxy.Accept();
        return proxy;
    }

    private async Task Accept()
    {
        var open = new List<Task>();
        try
        {
            while (true)
                open.Add(Serve(await listener.AcceptTcpClientAsync(stopping.Token)));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(open);
        }
    }

    /// <summary>Serves one request for each connection: each response closes it.</summary>
    private async Task Serve(TcpClient connection)
    {
        using var _ = connection;
        try
        {
            var client = connection.GetStream();
            var head = await ReadHead(client);
            var (method, target) = (head[0].Split(' ')[0], head[0].Split(' ')[1]);
            var shown = head.FirstOrDefault(line => line.StartsWith("Proxy-Authorization:", StringComparison.OrdinalIgnoreCase))
                ?.Split(':', 2)[1].Trim();
            ledger.Enqueue(new ProxyRequest(method, target, shown));
            if (wanted is not null && shown != wanted)
                await Say(client, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic "
                    + "realm=\"proxy\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            else if (!leads.TryGetValue(method == "CONNECT" ? target : HostAndPort(target), out var host))
                await Say(client, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            else
                await Pass(client, head, method, target, IPEndPoint.Parse(host));
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // One of the two has disconnected; the other one sees its connection closed.
        }
    }

    private async Task Pass(NetworkStream client, IReadOnlyList<string> head, string method, string target, IPEndPoint host)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(host, stopping.Token);
        var server = connection.GetStream();
        if (method == "CONNECT")
            await Say(client, "HTTP/1.1 200 Connection established\r\n\r\n");
        else
            await Say(server, string.Join("\r\n",
                head.Skip(1).Where(IsForServer).Prepend($"{method} {new Uri(target).PathAndQuery} HTTP/1.1").Append("Connection: close"))
                    + "\r\n\r\n");
        await Task.WhenAny(client.CopyToAsync(server, stopping.Token), server.CopyToAsync(client, stopping.Token));
    }

    private async Task<IReadOnlyList<string>> ReadHead(NetworkStream client)
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await client.ReadExactlyAsync(one, stopping.Token);
            head.Append((char)one[0]);
        }
        return head.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
    }

    private static string HostAndPort(string address) => new Uri(address) is var uri ? $"{uri.Host}:{uri.Port}" : "";

    private static bool IsForServer(string line) =>
        !line.StartsWith("Proxy-", StringComparison.OrdinalIgnoreCase)
            && !line.StartsWith("Connection:", StringComparison.OrdinalIgnoreCase);

    private Task Say(NetworkStream stream, string text) => stream.WriteAsync(Encoding.ASCII.GetBytes(text), stopping.Token).AsTask();
}
