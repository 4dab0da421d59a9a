using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>More blobs under way at once than any pool of connections has.</summary>
public sealed class ManyBlobsTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_the_cache_has_is_served_from_there_while_many_blobs_are_under_way()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var slow = Enumerable.Range(0, 70).Select(i => TestImage.Small(seed: 1000 + i, size: 40_000)).ToList();
        var slowNames = slow.Select((image, i) => origin.Add($"slow/a{i}", "1", image)).ToList();
        var slowLayers = slow.Select(image => image.Layers[1].Digest).ToHashSet();
        var stored = TestImage.Small(seed: 960, size: 100_000);
        var (name, layer) = (origin.Add("team/web", "1", stored), stored.Layers[1].Digest);
        var gate = new TaskCompletionSource();
        origin.Script = request => request.IsBlobDownload && slowLayers.Contains(request.Target) ? Misbehave.HoldAt(20_000, gate.Task) : null;
        await using var engine = await StartEngine.Run(cache, [origin.Host]);
        await engine.Copy(name);
        var before = Downloads();
        using var client = engine.Client();

        var pulls = slow.Zip(slowNames).Select(one => client.TryRead(one.Second, one.First.Layers[1].Digest)).ToList();
        await Eventually.True(() => origin.Ledger.Count(request => request.IsBlobDownload && slowLayers.Contains(request.Target)) >= 4, "blobs are under way");
        var served = await client.TryRead(name, layer).WaitAsync(TimeSpan.FromSeconds(90), Stop);

        Assert.Equal(stored.Layers[1].Bytes, served);
        Assert.Equal(before, Downloads());
        gate.SetResult();
        await Task.WhenAll(pulls);

        int Downloads() => origin.Ledger.Count(request => request.IsBlobDownload && request.Target == layer);
    }
}
