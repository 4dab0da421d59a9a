using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>
/// node-proxy answers health checks and cached manifests at once while everything around it stands still:
/// docs/decisions/0009-nothing-blocks.md. On the published file, because its threads are not those of a debug build.
/// KUIK_TEST_STALL_SECONDS says for how long (default 20), KUIK_TEST_SEED with which pauses.
/// </summary>
public sealed partial class StallTests(ITestOutputHelper output) : IAsyncLifetime, IDisposable
{
    private const string Blobs = "reg.example.com/large";
    private const string Manifests = "reg.example.com/a";
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(Read("KUIK_TEST_STALL_SECONDS", 20));
    private static readonly int Seed = Read("KUIK_TEST_SEED", 1);
    private static readonly TimeSpan Promise = TimeSpan.FromMilliseconds(200);

    /// <summary>Other users of the machine may stall one process in one round; the troubles stall it in each.</summary>
    private const int Rounds = 3;

    private readonly CertificateDownloads downloads = new();
    private readonly UdpClient nameServer = SilentNameServer();
    private readonly CertificateAuthority root = new("Corp Root");
    private readonly TestImage image = TestImage.Small(seed: 90);
    private readonly TestImage large = TestImage.Small(seed: 91, size: 20_000_000);
    private readonly List<ScriptedOrigin> incomplete = [];
    private ScriptedServer empty = null!;
    private ScriptedServer cache = null!;

    public async ValueTask InitializeAsync()
    {
        cache = await ScriptedServer.Start(AnswerAsCache);   // a real one reads from a disk that others use
        empty = await ScriptedServer.Saying(404);
        var authority = new CertificateAuthority("Corp Intermediate", root) { DownloadAddress = downloads.Address };
        for (var i = 0; i < 4; i++)
            incomplete.Add(await ScriptedOrigin.Start(authority.Issue("CN=registry", "127.0.0.1")));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var origin in incomplete)
            await origin.DisposeAsync();
        await empty.DisposeAsync();
        await cache.DisposeAsync();
    }

    public void Dispose()
    {
        downloads.Dispose();
        nameServer.Dispose();
    }

    [Fact]
    public async Task Health_and_cached_manifests_are_answered_while_certificates_DNS_standard_output_and_clients_stand_still()
    {
        // Given one node-proxy in trouble, and another one beside it that is left alone
        var settings = Settings();
        var address = ((IPEndPoint)nameServer.Client.LocalEndPoint!).Address.ToString();
        var troubled = await PublishedNodeProxy.Start(settings, new NodeIsolation(address));
        var control = await PublishedNodeProxy.Start(settings);
        using var troubles = new NodeTroubles(
            troubled.Pulls, [.. incomplete.Select(origin => InPath(origin.Host))], InPath(empty.Host),
            $"/v2/{Blobs}/blobs/{large.Layers[^1].Digest}", Seed);
        using var over = new CancellationTokenSource();

        // When
        await troubles.FillLog();
        var trouble = troubles.Run(over.Token);
        var late = await Measure(troubled, control);
        for (var again = 1; again < Rounds && late.Count > 0; again++)
            late = await Measure(troubled, control);
        var dropped = await Dropped(troubled.Health);
        await over.CancelAsync();
        await trouble;

        // Then
        output.WriteLine(string.Join(", ", troubles.Answers.OrderBy(answer => answer.Key)));
        Assert.Empty(late);
        Assert.True(troubles.Answers.GetValueOrDefault($"502 {NodeTroubles.IncompleteChain}") >= 16, "pulls met the incomplete chain");
        Assert.True(nameServer.Available > 0, "the silent name server was asked");
        Assert.NotEqual(0, dropped);
        Assert.Equal(0, downloads.Count);
        await troubled.Process.Stop();   // its standard output is still not read
        Assert.Equal(0, troubled.Process.ExitCode);
    }

    /// <summary>Missing and late responses.</summary>
    private async Task<List<string>> Measure(
        (ServerProcess Process, Uri Pulls, Uri Health) troubled, (ServerProcess Process, Uri Pulls, Uri Health) control)
    {
        var (probes, controls) = (Probes("troubled", troubled.Pulls, troubled.Health), Probes("control", control.Pulls, control.Health));
        await Task.WhenAll(probes.Concat(controls).Select(probe => probe.Run(Duration)));
        foreach (var probe in probes.Concat(controls))
            output.WriteLine(probe.ToString());
        var late = probes.Zip(controls).Where(pair => pair.First.P99 > Allowed(pair.Second.P99))
            .Select(pair => $"{pair.First}; {pair.Second}");
        return [.. probes.SelectMany(probe => probe.Failures), .. late];
    }

    // A machine may be so busy that even an idle node-proxy is late: then three times as late is allowed, but a second only where the idle
    // one needed half of it.
    private static TimeSpan Allowed(TimeSpan control)
    {
        var (relative, atMost) = (3 * control, TimeSpan.FromSeconds(Math.Max(1, 2 * control.TotalSeconds)));
        return relative < Promise ? Promise : relative < atMost ? relative : atMost;
    }

    private static List<LatencyProbe> Probes(string name, Uri pulls, Uri health)
    {
        var tags = Guid.NewGuid();   // none is asked for twice
        return
        [
            new($"{name}, /healthz", health, _ => "healthz"),
            new($"{name}, manifest in memory", pulls, _ => $"v2/{Manifests}/manifests/warm"),
            new($"{name}, manifest in the cache", pulls, i => $"v2/{Manifests}/manifests/{tags}-{i}"),
        ];
    }

    private Dictionary<string, string> Settings()
    {
        var authority = Path.Combine(Sandbox.Shared.NewFolder("authority"), "root.pem");
        File.WriteAllText(authority, root.Pem);
        return new()
        {
            ["Kuik:Cache:ReadEndpoint"] = cache.Endpoint.AbsoluteUri,
            ["Kuik:InsecureRegistries:0"] = empty.Endpoint.AbsoluteUri,
            ["Kuik:RootCertificateAuthorities:0"] = authority,
            ["Kuik:Proxy:MemoryTime"] = "00:01:00",   // in memory is in memory
            ["Kuik:AllowedPrivateAddresses:0"] = "127.0.0.0/8",
            ["Kuik:Proxy:DrainLimit"] = "00:00:05",
        };
    }

    private Task AnswerAsCache(HttpContext http)
    {
        var (path, target) = (http.Request.Path.Value!, http.Request.Path.Value!.Split('/')[^1]);
        http.Response.Headers["Docker-Content-Digest"] = target == large.Layers[^1].Digest ? target : image.Digest;
        if (target == large.Layers[^1].Digest)
            return SendInPieces(http, large.Layers[^1].Bytes);
        if (path.StartsWith($"/v2/{Manifests}/manifests/", StringComparison.Ordinal))
            return ScriptedServer.Send(http, image.Bytes, image.MediaType);
        http.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }

    // Written at once, the blobs of 50 slow readers would be a gigabyte of this process's memory.
    private static async Task SendInPieces(HttpContext http, byte[] bytes)
    {
        const int piece = 64 * 1024;
        http.Response.ContentLength = bytes.Length;
        for (var at = 0; at < bytes.Length; at += piece)
            await http.Response.Body.WriteAsync(bytes.AsMemory(at, Math.Min(piece, bytes.Length - at)), http.RequestAborted);
    }

    private static async Task<long> Dropped(Uri health)
    {
        using var http = new HttpClient { BaseAddress = health };
        var metrics = await http.GetStringAsync(new Uri("metrics", UriKind.Relative));
        return DroppedLines().Match(metrics) is { Success: true } line ? long.Parse(line.Groups[1].Value, CultureInfo.InvariantCulture) : 0;
    }

    // Port 53 of an address of 127.0.0.0/8 that nothing else has: resolv.conf has no room for a port. It takes root.
    private static UdpClient SilentNameServer()
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return new UdpClient(new IPEndPoint(new IPAddress([127, 74, 39, (byte)Random.Shared.Next(1, 255)]), 53));
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse && attempt < 20)
            {
                // Another test run has it.
            }
        }
    }

    private static string InPath(string host) => host.Replace(':', '_');

    private static int Read(string name, int fallback) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;

    [GeneratedRegex(@"^kuik_log_lines_dropped_total(?:\{[^}]*\})? (\d+)", RegexOptions.Multiline)]
    private static partial Regex DroppedLines();
}
