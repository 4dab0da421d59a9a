using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using Kuik.IntegrationTests.NodeProxy.Matrix;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>
/// Every way a source may fail, at every source, whatever the next ones do, for manifests, small blobs and large ones: the right bytes
/// come, or an error, or a broken connection, and never a clean end of anything else. Generated; a quarter of it, or all with
/// KUIK_TEST_MATRIX=full. The sources are scripts: no real server fails like this on command.
/// </summary>
public sealed class FailureMatrixTests : IAsyncLifetime
{
    private static readonly Does[] All = Enum.GetValues<Does>();
    private readonly ConcurrentDictionary<string, (Cell Cell, byte[] Bytes)> _cells = new();
    private readonly Dictionary<(bool Cache, bool Fetcher), KuikService> _proxies = [];
    private ScriptedServer _cache = null!;
    private ScriptedServer _fetcher = null!;
    private ScriptedServer _origin = null!;
    private Uri _closed = null!;

    [Theory]
    [InlineData(Asked.Manifest)]
    [InlineData(Asked.SmallBlob)]
    [InlineData(Asked.LargeBlob)]
    public async Task Every_failure_of_every_source_ends_in_the_right_bytes_or_honestly(Asked asked)
    {
        var isFull = Environment.GetEnvironmentVariable("KUIK_TEST_MATRIX") == "full";
        var cells = All.SelectMany(cache => All.SelectMany(fetcher => All.Select(origin => new Cell(asked, cache, fetcher, origin))))
            // every pair of failures still meets
            .Where(cell => isFull || ((int)cell.Cache + (3 * (int)cell.Fetcher) + (5 * (int)cell.Origin)) % 4 == 0);
        var wrong = new ConcurrentBag<string>();

        await Parallel.ForEachAsync(cells, new ParallelOptions { MaxDegreeOfParallelism = 128 }, async (cell, _) =>
        {
            var ended = await Pull(cell);
            if (!cell.Accepts(ended))
                wrong.Add($"{cell}: {ended}");
        });

        Assert.True(wrong.IsEmpty, string.Join('\n', wrong));
        Assert.All(_proxies.Values, proxy => Assert.DoesNotContain(" ERROR ", proxy.Log, StringComparison.Ordinal));
    }

    public async ValueTask InitializeAsync()
    {
        _cache = await ScriptedServer.Start(http => Play(http, cell => cell.Cache));
        _fetcher = await ScriptedServer.Start(http => Play(http, cell => cell.Fetcher));
        _origin = await ScriptedServer.Start(http => Play(http, cell => cell.Origin));
        _closed = StartNodeProxy.ClosedPort();
        foreach (var (cache, fetcher) in new[] { (true, true), (true, false), (false, true), (false, false) })
            _proxies[(cache, fetcher)] = await StartNodeProxy.With(
                cache ? _cache.Endpoint : _closed, fetcher ? _fetcher.Endpoint : _closed, origin: null,
                ("Kuik:InsecureRegistries:0", _origin.Endpoint.AbsoluteUri), ("Kuik:InsecureRegistries:1", _closed.AbsoluteUri),
                ("Kuik:Proxy:CacheLimit", "00:00:03"), ("Kuik:Proxy:FetcherLimit", "00:00:03"), ("Kuik:Proxy:OriginLimit", "00:00:03"),
                ("Kuik:Proxy:NoProgressLimit", "00:00:03"),
                // no cell is to feel the one before it
                ("Kuik:Proxy:BreakerPause", "00:00:00.0000001"), ("Kuik:Proxy:OriginBlobs", "100"));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var proxy in _proxies.Values)
            proxy.Kill();
        await _cache.DisposeAsync();
        await _fetcher.DisposeAsync();
        await _origin.DisposeAsync();
    }

    private async Task<Ends> Pull(Cell cell)
    {
        var bytes = new byte[cell.Asked == Asked.LargeBlob ? 1_300_000 : 20_000];
        new Random(cell.GetHashCode()).NextBytes(bytes);
        RandomNumberGenerator.Fill(bytes.AsSpan(0, 16));   // no two cells share a digest, which a source may be distrusted for
        var digest = TestBlob.DigestOf(bytes);
        _cells[digest] = (cell, bytes);
        var host = cell.Origin == Does.Refuse ? _closed.Authority : _origin.Host;
        using var client = new HttpClient { BaseAddress = _proxies[(cell.Cache != Does.Refuse, cell.Fetcher != Does.Refuse)].Endpoint };
        try
        {
            using var answer = await client.GetAsync(
                $"/v2/{host.Replace(':', '_')}/a/{(cell.Asked == Asked.Manifest ? "manifests" : "blobs")}/{digest}");
            var got = await answer.Content.ReadAsByteArrayAsync();
            return answer.StatusCode != HttpStatusCode.OK
                ? ((int)answer.StatusCode >= 400 ? Ends.Honestly : Ends.Wrongly)
                : got.AsSpan().SequenceEqual(bytes)
                ? Ends.Rightly
                : Ends.Wrongly;
        }
        catch (HttpRequestException)
        {
            return Ends.Honestly;
        }
        finally
        {
            _cells.TryRemove(digest, out var _);
        }
    }

    private Task Play(HttpContext http, Func<Cell, Does> role)
    {
        var path = http.Request.Path.Value!;
        if (_cells.TryGetValue(path[(path.LastIndexOf('/') + 1)..], out var found))
            return Play(role(found.Cell), http, found.Bytes);
        http.Response.StatusCode = 404;   // the tag under which the cache might hold an index
        return Task.CompletedTask;
    }

    private static async Task Play(Does does, HttpContext http, byte[] bytes)
    {
        const string type = "application/vnd.oci.image.manifest.v1+json";
        var from = Microsoft.Net.Http.Headers.RangeHeaderValue.TryParse(http.Request.Headers.Range.ToString(), out var range)
            ? (int)range.Ranges.First().From!.Value
            : 0;
        switch (does)
        {
            case Does.Send:
                await ScriptedServer.Send(http, bytes, type);
                return;
            case Does.HaveNot:
                http.Response.StatusCode = 404;
                return;
            case Does.Fail:
                http.Response.StatusCode = 503;
                return;
            case Does.HangBeforeHead:
                await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return;
            case Does.ResetBeforeHead:
                http.Abort();
                return;
        }

        // What is asked for, as far as the head goes; then something happens to the body.
        var rest = bytes[from..];
        if (from > 0)
        {
            http.Response.StatusCode = 206;
            http.Response.Headers.ContentRange = $"bytes {from}-{bytes.Length - 1}/{bytes.Length}";
        }
        http.Response.ContentType = type;
        http.Response.ContentLength = does == Does.EndEarly ? rest.Length - 1 : does == Does.EndEarlyWithoutLength ? null : rest.Length;
        if (does == Does.SendWrongBytes)
            rest = [.. rest[..^1], (byte)(rest[^1] ^ 1)];
        var some = does switch
        {
            Does.HangAfterHead or Does.ResetAtTheStart => 0,
            Does.ResetInTheMiddle => rest.Length / 2,
            Does.SendWrongBytes or Does.SendSlowly => rest.Length,
            _ => rest.Length - 1,
        };
        await http.Response.StartAsync();
        for (var sent = 0; does == Does.SendSlowly && sent < some; await Task.Delay(100))
        {
            var piece = Math.Min(400_000, some - sent);
            await http.Response.Body.WriteAsync(rest.AsMemory(sent, piece));
            await http.Response.Body.FlushAsync();
            sent += piece;
        }
        if (does != Does.SendSlowly)
            await http.Response.Body.WriteAsync(rest.AsMemory(0, some));
        await http.Response.Body.FlushAsync();
        if (does is Does.HangAfterHead)
            await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        else if (does is Does.ResetAtTheStart or Does.ResetInTheMiddle or Does.ResetAtTheLastByte)
            http.Abort();
    }
}
