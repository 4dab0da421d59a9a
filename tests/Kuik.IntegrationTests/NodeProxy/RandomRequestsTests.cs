using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>
/// Random requests, well formed and not, against a running node-proxy: no exception escapes, no denied origin is asked, nothing grows.
/// KUIK_TEST_REQUESTS sets their number (default 20,000; memory is judged from 200,000 on), KUIK_TEST_SEED the seed.
/// </summary>
public sealed class RandomRequestsTests(ITestOutputHelper output)
{
    /// <summary>From so many on growth of memory is told from what the machine's load makes of it.</summary>
    private const int LongRun = 200_000;

    private static readonly int Requests = Read("KUIK_TEST_REQUESTS", 20_000);
    private static readonly int Seed = Read("KUIK_TEST_SEED", 1);

    [Fact]
    public async Task Random_requests_do_no_harm()
    {
        // Given an allowed origin that redirects every client to a forbidden one, by redirects and by token realms, and a forbidden one
        var digest = TestBlob.DigestOf("x"u8.ToArray());
        await using var forbidden = await ScriptedServer.Saying(200);
        await using var cache = await ScriptedServer.Saying(404);
        await using var allowed = await ScriptedServer.Start(http =>
        {
            http.Response.StatusCode = http.Request.Path.Value!.Contains("manifests", StringComparison.Ordinal) ? 401 : 307;
            http.Response.Headers.WWWAuthenticate = $"Bearer realm=\"{forbidden.Endpoint}token\",service=\"x\"";
            http.Response.Headers.Location = $"{forbidden.Endpoint}v2/a/blobs/{digest}";
            return Task.CompletedTask;
        });
        var proxy = await StartNodeProxy.With(cache.Endpoint, fetcher: null, allowed.Endpoint,
            ("Kuik:InsecureRegistries:1", forbidden.Endpoint.AbsoluteUri), ("Kuik:Proxy:AllowedOrigins:0", "127.0.0.1"),
            ("Kuik:Proxy:DeniedOrigins:0", forbidden.Host));

        // When
        var make = new RandomRequests(allowed.Host, forbidden.Host, digest);
        await Send(proxy.Port, make, Requests / 5, Seed);
        var early = Resident(proxy);
        var statuses = await Send(proxy.Port, make, Requests - (Requests / 5), Seed + 1);
        var late = Resident(proxy);

        // Then
        output.WriteLine($"{Requests} requests; resident {early >> 20} MiB after a fifth, {late >> 20} MiB at the end; "
            + $"{string.Join(", ", statuses.OrderBy(s => s.Key).Select(s => $"{s.Key}: {s.Value}"))}");
        Assert.False(proxy.Process.HasExited);
        Assert.DoesNotContain(" ERROR ", proxy.Log, StringComparison.Ordinal);
        Assert.DoesNotContain(" CRIT ", proxy.Log, StringComparison.Ordinal);
        Assert.DoesNotContain(proxy.Log, c => char.IsControl(c) && c != '\n');
        Assert.Empty(statuses.Keys.Except([200, 400, 401, 403, 404, 405, 408, 411, 413, 414, 431, 501, 502, 505]));
        Assert.Empty(forbidden.Requests);
        Assert.NotEmpty(allowed.Requests);
        Assert.All(cache.Requests.Concat(allowed.Requests), request => Assert.Matches("^(GET|HEAD) /v2/", request));
        if (Requests >= LongRun)
            Assert.InRange(late, 0, early + (48 << 20));
        using var http = new HttpClient { BaseAddress = proxy.Health };
        Assert.InRange((await http.GetStringAsync("/metrics")).Split('\n')
            .Count(line => line.StartsWith("kube_image_keeper_proxy_http_requests_total{", StringComparison.Ordinal)), 1, 200);
    }

    private static async Task<Dictionary<int, int>> Send(int port, RandomRequests make, int count, int seed)
    {
        const int connections = 8;
        var all = await Task.WhenAll(Enumerable.Range(0, connections)
            .Select(i => Task.Run(() => SendOnOne(port, make, count / connections, new Random((seed * 1000) + i)))));
        return all.SelectMany(statuses => statuses).GroupBy(s => s.Key).ToDictionary(g => g.Key, g => g.Sum(s => s.Value));
    }

    // A connection is used until the server closes it; what is cut short there is not counted as sent.
    private static async Task<Dictionary<int, int>> SendOnOne(int port, RandomRequests make, int count, Random random)
    {
        var statuses = new Dictionary<int, int>();
        for (var sent = 0; sent < count;)
        {
            using var socket = new Socket(random.Next(2) == 0
                ? AddressFamily.InterNetwork
                : AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp)
            { NoDelay = true, ReceiveTimeout = 60_000 };
            await socket.ConnectAsync(socket.AddressFamily == AddressFamily.InterNetwork
                ? IPAddress.Loopback
                : IPAddress.IPv6Loopback, port);
            var answers = new ReadAnswers(socket);
            for (var isOpen = true; isOpen && sent < count; sent++)
            {
                var (bytes, isWhole, isHead) = make.Next(random);
                var status = await answers.Ask(bytes, isWhole, isHead);
                isOpen = isWhole && status is not null && answers.IsKept;
                if (status is { } seen)
                    statuses[seen] = statuses.GetValueOrDefault(seen) + 1;
            }
        }
        return statuses;
    }

    private static long Resident(KuikService proxy) =>
        long.Parse(File.ReadLines($"/proc/{proxy.Process.Id}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) << 10;

    private static int Read(string variable, int fallback) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
        ? int.Parse(text, CultureInfo.InvariantCulture)
        : fallback;
}
