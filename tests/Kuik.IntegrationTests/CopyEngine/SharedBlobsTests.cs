using System.Net;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>Blobs that images of several origins have in common, and origins that hold up others.</summary>
public sealed class SharedBlobsTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pull_does_not_get_the_refusal_of_another_images_origin()
    {
        await using var good = await ScriptedOrigin.Start();
        await using var bad = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 950, size: 100_000);
        var (name, badName) = (good.Add("team/web", "1", image), bad.Add("evil/web", "1", image));
        var gate = new TaskCompletionSource();
        bad.Script = r => r.IsBlobDownload ? async (http, _) =>
        {
            await gate.Task;
            http.Response.StatusCode = 401;
        }
        : null;
        await using var engine = await StartEngine.Run(cache, [good.Host, bad.Host]);
        using var client = engine.Client();
        var layer = image.Layers[1].Digest;

        var other = client.Ask(HttpMethod.Get, badName, "blobs/" + layer);
        await Eventually.True(() => bad.Ledger.Any(r => r.IsBlobDownload), "the other one is under way");
        using var joined = await client.AskOnce(HttpMethod.Get, name, "blobs/" + layer);
        gate.SetResult();
        using var answer = await client.Ask(HttpMethod.Get, name, "blobs/" + layer);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(image.Layers[1].Bytes, await answer.Content.ReadAsByteArrayAsync(Stop));
        (await other).Dispose();
    }

    [Fact]
    public async Task A_pull_and_a_copy_are_not_held_up_by_another_images_origin_that_trickles()
    {
        await using var good = await ScriptedOrigin.Start();
        await using var bad = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 951, size: 100_000);
        var (name, badName) = (good.Add("team/web", "1", image), bad.Add("evil/web", "1", image));
        bad.Script = r => r.IsBlobDownload ? Trickle(1, TimeSpan.FromSeconds(1)) : null;
        await using var engine = await StartEngine.Run(cache, [good.Host, bad.Host]);
        using var client = engine.Client();
        var layer = image.Layers[1].Digest;

        using var other = await client.AskOnce(HttpMethod.Get, badName, "blobs/" + layer);
        await Eventually.True(() => bad.Ledger.Any(r => r.IsBlobDownload), "the other one is under way");
        var pull = client.TryRead(name, layer);
        await Task.WhenAll(pull, engine.Copy(name)).WaitAsync(TimeSpan.FromMinutes(2), Stop);

        Assert.Equal(image.Layers[1].Bytes, await pull);
        Assert.Single(good.Ledger, r => r.IsBlobDownload && r.Target == layer);
    }

    [Fact]
    public async Task An_origin_that_announces_much_and_sends_little_does_not_hold_up_the_others()
    {
        await using var good = await ScriptedOrigin.Start();
        await using var bad = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 952, size: 100_000);
        var name = good.Add("team/web", "1", image);
        bad.Script = r => r.IsBlobDownload ? async (http, _) =>
        {
            http.Response.ContentLength = 10_000_000;
            await Trickle(1, TimeSpan.FromSeconds(5))(http, new byte[10_000_000]);
        }
        : null;
        await using var engine = await StartEngine.Run(cache, [good.Host, bad.Host], null, ("Kuik:Fetch:SpoolLimit", "10000000"));
        using var client = engine.Client();

        using var other = await client.AskOnce(HttpMethod.Get, $"{bad.Host}/evil/web:1", "blobs/" + Digest.Sha256("any"u8));
        await Eventually.True(() => bad.Ledger.Any(r => r.IsBlobDownload), "the other one is under way");

        Assert.Equal(image.Layers[1].Bytes, await client.TryRead(name, image.Layers[1].Digest).WaitAsync(TimeSpan.FromMinutes(1), Stop));
    }

    [Fact]
    public async Task More_blobs_at_once_than_connections_wait_their_turn_and_what_the_cache_has_is_served_meanwhile()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var slow = Enumerable.Range(0, 70).Select(i => TestImage.Small(seed: 1000 + i, size: 40_000)).ToList();
        var slowNames = slow.Select((image, i) => origin.Add($"slow/a{i}", "1", image)).ToList();
        var stored = TestImage.Small(seed: 960, size: 100_000);
        var name = origin.Add("team/web", "1", stored);
        var gate = new TaskCompletionSource();
        var slowLayers = slow.Select(image => image.Layers[1].Digest).ToHashSet();
        origin.Script = r => r.IsBlobDownload && slowLayers.Contains(r.Target) ? Misbehave.HoldAt(20_000, gate.Task) : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        using var client = engine.Client();

        var pulls = slow.Zip(slowNames).Select(p => client.TryRead(p.Second, p.First.Layers[1].Digest)).ToList();
        await Eventually.True(() => origin.Ledger.Count(r => r.IsBlobDownload && slowLayers.Contains(r.Target)) >= 48,
            "as many as may be under way are");
        var again = await client.TryRead(name, stored.Layers[1].Digest).WaitAsync(TimeSpan.FromMinutes(1), Stop);
        gate.SetResult();
        var got = await Task.WhenAll(pulls);

        Assert.Equal(stored.Layers[1].Bytes, again);
        Assert.Single(origin.Ledger, r => r.IsBlobDownload && r.Target == stored.Layers[1].Digest);
        Assert.All(got.Zip(slow), pair => Assert.Equal(pair.Second.Layers[1].Bytes, pair.First));
        Assert.All(origin.Ledger.Where(r => r.IsBlobDownload).GroupBy(r => r.Target), asked => Assert.Single(asked));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_blob_larger_than_the_spool_reaches_its_client_and_the_cache(bool isLengthKnown)
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 961, size: 5_000_000);
        var name = origin.Add("team/web", "1", image);
        var layer = image.Layers[1];
        if (!isLengthKnown)
            origin.Script = r => r.IsBlobDownload && r.Target == layer.Digest
                ? async (http, body) => await http.Response.Body.WriteAsync(body)
                : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host], null, ("Kuik:Fetch:SpoolLimit", "1Mi"));
        using var client = engine.Client();

        Assert.Equal(layer.Bytes, await client.TryRead(name, layer.Digest));
        await Eventually.True(async () => await cache.Blob(name, layer.Digest) is not null, "it is kept");
        Assert.Single(origin.Ledger, r => r.IsBlobDownload);
    }

    private static Misbehaviour Trickle(int bytes, TimeSpan pause) => async (http, body) =>
    {
        http.Response.ContentLength ??= body.Length;
        for (var at = 0; at < body.Length; at += bytes)
        {
            await http.Response.Body.WriteAsync(body.AsMemory(at, bytes));
            await http.Response.Body.FlushAsync();
            await Task.Delay(pause, http.RequestAborted);
        }
    };
}
