using System.Net;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>A replica that is told to stop while others stay.</summary>
public sealed class DrainTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_copy_does_not_fail_because_the_owner_of_its_blobs_stops_and_goes_on_where_that_one_was()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var images = Enumerable.Range(0, 6).Select(i => TestImage.Small(seed: 910 + i, size: 500_000)).ToList();
        var names = images.Select((image, i) => origin.Add("team/web", $"v{i}", image)).ToList();
        var layers = images.Select(image => image.Layers[1].Digest).ToHashSet();
        var never = new TaskCompletionSource();
        origin.Script = request => request is { IsBlobDownload: true, Range: null } && layers.Contains(request.Target)
            ? Misbehave.HoldAt(200_000, never.Task)
            : null;
        var (a, b) = (FreePort.Next(), FreePort.Next());
        await using var stays = await StartEngine.Run(cache, [origin.Host], a, Peers(a, b));
        await using var goes = await StartEngine.Run(cache, [origin.Host], b, Peers(a, b));
        var copies = names.Select(stays.Copy).ToList();
        await Eventually.True(() => origin.Ledger.Count(request => request.IsBlobDownload && layers.Contains(request.Target)) >= 4,
            "four downloads have begun");

        await goes.StopGracefully();
        never.SetResult();
        await Task.WhenAll(copies);

        // Each byte once: a second request for a layer goes on where the first one was, and only what the stopping replica had is asked for
        // twice.
        foreach (var asked in origin.Ledger.Where(r => r.IsBlobDownload && layers.Contains(r.Target)).GroupBy(r => r.Target))
        {
            Assert.Single(asked, request => request.Range is null);
            Assert.All(asked.Skip(1), request => Assert.Equal("bytes=200000-", request.Range));
        }
    }

    [Fact]
    public async Task A_client_is_not_told_that_the_origin_failed_when_a_replica_stops()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 930, size: 500_000);
        var name = origin.Add("team/web", "1", image);
        var layer = image.Layers[1].Digest;
        var never = new TaskCompletionSource();
        // no head
        origin.Script = r => r is { IsBlobDownload: true, Count: 0 } ? Misbehave.Delay(never.Task, "application/octet-stream") : null;
        var (a, b) = Enumerable.Range(0, 100).Select(_ => (A: FreePort.Next(), B: FreePort.Next()))
            .First(p => StartEngine.OwnerOf(layer, p.A, p.B) == p.B);
        await using var stays = await StartEngine.Run(cache, [origin.Host], a, Peers(a, b));
        await using var goes = await StartEngine.Run(cache, [origin.Host], b, Peers(a, b));
        using var client = stays.Client();
        var asking = client.Ask(HttpMethod.Get, name, "blobs/" + layer);
        await Eventually.True(() => origin.Ledger.Any(r => r.IsBlobDownload), "it is under way");

        await goes.StopGracefully();
        using var answer = await asking.WaitAsync(TimeSpan.FromMinutes(1), Stop);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(image.Layers[1].Bytes, await answer.Content.ReadAsByteArrayAsync(Stop));
    }

    [Fact]
    public async Task A_stopping_replica_finishes_what_is_under_way_and_passes_the_rest_on()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var (image, later) = (TestImage.Small(seed: 940, size: 500_000), TestImage.Small(seed: 941, size: 500_000));
        var (name, laterName) = (origin.Add("team/web", "1", image), origin.Add("team/web", "2", later));
        var gate = new TaskCompletionSource();
        origin.Script = r => r.IsBlobDownload && r.Target == image.Layers[1].Digest ? Misbehave.HoldAt(200_000, gate.Task) : null;
        var (a, b) = (FreePort.Next(), FreePort.Next());
        await using var stays = await StartEngine.Run(cache, [origin.Host], a, Peers(a, b));
        await using var goes = await StartEngine.Run(cache, [origin.Host], b, [.. Peers(a, b), ("Kuik:Fetch:DrainLimit", "00:01:00")]);
        using var client = goes.Client();
        var reading = client.TryRead(name, image.Layers[1].Digest);
        await Eventually.True(() => origin.Ledger.Any(r => r.IsBlobDownload), "it is under way");

        var stopping = goes.StopGracefully();
        var fromTheOther = await client.TryRead(laterName, later.Layers[1].Digest);
        using var manifest = await client.Ask(HttpMethod.Get, laterName, "manifests/2");
        Assert.False(stopping.IsCompleted);
        gate.SetResult();

        Assert.Equal(later.Layers[1].Bytes, fromTheOther);
        Assert.Equal(HttpStatusCode.OK, manifest.StatusCode);
        Assert.Equal(image.Layers[1].Bytes, await reading);
        await stopping.WaitAsync(TimeSpan.FromSeconds(50), Stop);   // before the drain limit
        Assert.Single(origin.Ledger, r => r.IsBlobDownload && r.Target == image.Layers[1].Digest);
        Assert.All(Directory.GetDirectories(goes.SpoolPath).SelectMany(Directory.GetFiles),
            file => Assert.EndsWith("lock", file, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_single_replica_that_stops_says_so_and_gives_no_verdict()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 942, size: 500_000);
        var name = origin.Add("team/web", "1", image);
        var never = new TaskCompletionSource();
        origin.Script = r => r.IsBlobDownload ? Misbehave.Delay(never.Task, "application/octet-stream") : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, ("Kuik:Fetch:DrainLimit", "00:00:05"));
        using var client = engine.Client();
        using var before = await client.AskOnce(HttpMethod.Get, name, "blobs/" + image.Layers[1].Digest);

        var stopping = engine.StopGracefully();
        using var other = await client.AskOnce(HttpMethod.Get, name, "blobs/" + image.Layers[0].Digest);
        using var manifest = await client.AskOnce(HttpMethod.Get, name, "manifests/1");
        await stopping;

        Assert.Equal(HttpStatusCode.Accepted, before.StatusCode);
        foreach (var answer in new[] { other, manifest })
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Equal("1", Assert.Single(answer.Headers.GetValues("Kuik-Draining")));
            Assert.True(answer.Headers.ConnectionClose);
        }
    }

    private static (string, string)[] Peers(params int[] ports) =>
        [.. ports.Select((port, i) => ($"Kuik:Fetcher:Peers:{i}", $"http://127.0.0.1:{port}"))];
}
