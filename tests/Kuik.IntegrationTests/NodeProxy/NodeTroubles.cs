using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>Everything that can stall a node-proxy, all at once, against one process.</summary>
/// <param name="pulls">Where it answers pulls.</param>
/// <param name="incomplete">Origins that do not send their intermediate certificate, as in a path: <c>127.0.0.1_PORT</c>.</param>
/// <param name="empty">An origin that has nothing, as in a path: each pull is a log line.</param>
/// <param name="blob">The path of a large cached blob.</param>
/// <param name="seed">Of the pauses.</param>
internal sealed class NodeTroubles(Uri pulls, IReadOnlyList<string> incomplete, string empty, string blob, int seed) : IDisposable
{
    /// <summary>More log lines than the queue (2500) and the pipe (64 KB) hold.</summary>
    private const int LinesToFillTheLog = 4000;

    private readonly HttpClient client = new() { BaseAddress = pulls, Timeout = TimeSpan.FromSeconds(30) };
    private int number;

    /// <summary>The trouble of pulls from origins that do not send their intermediate certificate.</summary>
    public const string IncompleteChain = "incomplete chain";

    /// <summary>How often pulls were answered with what: the status and the trouble. What went wrong with an origin on a private address is
    /// not told to clients.</summary>
    public ConcurrentDictionary<string, int> Answers { get; } = new();

    /// <summary>Writes log lines until the log is full, or gives up after 30 seconds, when the process stands still already.</summary>
    public async Task FillLog()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await Task.WhenAll(Enumerable.Range(0, 16).Select(async _ =>
        {
            for (var i = 0; i < LinesToFillTheLog / 16 && !limit.IsCancellationRequested; i++)
                await Pull("absent", $"/v2/{empty}/absent/manifests/{Next()}", limit.Token);
        }));
    }

    /// <summary>
    /// 16 pulls from origins with an incomplete chain, 16 of names that are never resolved, 4 that write log lines, 50 slow readers, 50
    /// slow senders; until told to stop.
    /// </summary>
    public Task Run(CancellationToken ct) => Task.WhenAll(
    [
        .. Repeat(16, i => Pull(IncompleteChain, $"/v2/{incomplete[i % incomplete.Count]}/team/web/manifests/{Next()}", ct), ct),
        .. Repeat(16, _ => Pull("unresolved", $"/v2/hang{Next()}.example.com/team/web/manifests/1", ct), ct),
        .. Repeat(4, _ => Pull("absent", $"/v2/{empty}/absent/manifests/{Next()}", ct), ct),
        .. Repeat(50, _ => ReadSlowly(ct), ct),
        .. Repeat(50, _ => SendSlowly(ct), ct),
    ]);

    public void Dispose() => client.Dispose();

    private int Next() => Interlocked.Increment(ref number);

    private IEnumerable<Task> Repeat(int clients, Func<int, Task> act, CancellationToken ct) =>
        Enumerable.Range(0, clients)
            .Select(i => Task.Run(() => RepeatOne(new Random(seed + i), () => act(i), ct), CancellationToken.None));

    private static async Task RepeatOne(Random random, Func<Task> act, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            try
            {
                await act();
                await Task.Delay(random.Next(100, 400), ct);
            }
            catch (Exception e) when (e is OperationCanceledException or IOException or SocketException)
            {
                // Told to stop, or cut off by the server, as slow senders of headers are.
            }
        }
    }

    private async Task Pull(string trouble, string path, CancellationToken ct)
    {
        try
        {
            using var answer = await client.GetAsync(new Uri(path, UriKind.Relative), ct);
            Count($"{(int)answer.StatusCode} {trouble}");
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            Count($"no answer {trouble}");
        }
        catch (OperationCanceledException)
        {
            // Told to stop.
        }
    }

    private void Count(string what) => Answers.AddOrUpdate(what, 1, (_, before) => before + 1);

    private async Task ReadSlowly(CancellationToken ct)
    {
        using var socket = await Connect($"GET {blob} HTTP/1.1\r\nHost: node\r\n\r\n", ct);
        var buffer = new byte[1024];
        while (await socket.ReceiveAsync(buffer, ct) > 0)
            await Task.Delay(200, ct);
    }

    private async Task SendSlowly(CancellationToken ct)
    {
        using var socket = await Connect("GET /v2/ HTTP/1.1\r\nX-Slow: ", ct);
        while (true)
        {
            await socket.SendAsync("x"u8.ToArray(), ct);
            await Task.Delay(500, ct);
        }
    }

    private async Task<Socket> Connect(string first, CancellationToken ct)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, pulls.Port, ct);
            await socket.SendAsync(Encoding.ASCII.GetBytes(first), ct);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
