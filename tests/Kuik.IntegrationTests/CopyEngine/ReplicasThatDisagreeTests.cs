using System.Net;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>Two replicas with different lists of replicas, as during each start and end of one.</summary>
public sealed class ReplicasThatDisagreeTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("copy")]
    [InlineData("pull")]
    public async Task Two_replicas_that_take_each_other_for_the_owner_of_a_manifest_do_not_wait_for_each_other(string how)
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        var (a, b) = (FreePort.Next(), FreePort.Next());
        var image = TestImage.Small(seed: 900);
        var repository = Enumerable.Range(0, 100).Select(i => $"team/web{i}")
            .First(r => StartEngine.OwnerOf($"{origin.Host}/{r}", a, b) == a);
        var name = await origin.Push(repository, "1", image);
        await using var first = await StartEngine.Run(cache, [origin.Host], a, Peers(b));
        await using var second = await StartEngine.Run(cache, [origin.Host], b, Peers(a, b));

        if (how == "copy")
            await first.Copy(name).WaitAsync(TimeSpan.FromMinutes(1), Stop);
        else
        {
            using var client = first.Client();
            using var answer = await client.Ask(HttpMethod.Get, name, "manifests/1").WaitAsync(TimeSpan.FromMinutes(1), Stop);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }

    [Fact]
    public async Task Three_replicas_that_ask_each_other_in_a_ring_come_to_an_end()
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        int[] ports = [FreePort.Next(), FreePort.Next(), FreePort.Next()];
        var names = await Task.WhenAll(Enumerable.Range(0, 6)
            .Select(i => origin.Push($"team/web{i}", "1", TestImage.Small(seed: 910 + i))));
        var replicas = await Task.WhenAll(
            ports.Select((port, i) => StartEngine.Run(cache, [origin.Host], port, Peers(ports[(i + 1) % 3]))));

        await Task.WhenAll(names.SelectMany(name => replicas.Select(replica => replica.Copy(name))))
            .WaitAsync(TimeSpan.FromMinutes(1), Stop);

        foreach (var replica in replicas)
            await replica.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_blob_under_way_is_not_fetched_again_because_a_replica_was_added(bool isHeadOutstanding)
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 901, size: 500_000);
        var name = origin.Add("team/web", "1", image);
        var layer = image.Layers[1];
        var (a, b) = Enumerable.Range(0, 100).Select(_ => (A: FreePort.Next(), B: FreePort.Next()))
            .First(p => StartEngine.OwnerOf(layer.Digest, p.A, p.B) == p.B);
        var gate = new TaskCompletionSource();
        origin.Script = r => !r.IsBlobDownload || r.Target != layer.Digest ? null
            : isHeadOutstanding ? Misbehave.Delay(gate.Task, "application/octet-stream") : Misbehave.HoldAt(200_000, gate.Task);
        await using var old = await StartEngine.Run(cache, [origin.Host], a, Peers(a));   // its list is some seconds old
        await using var added = await StartEngine.Run(cache, [origin.Host], b, Peers(a, b));
        using var first = old.Client();
        using var second = added.Client();

        var one = first.TryRead(name, layer.Digest);
        await Eventually.True(() => origin.Ledger.Any(r => r.IsBlobDownload), "it is under way");
        var two = second.TryRead(name, layer.Digest);
        using var asked = await second.AskOnce(HttpMethod.Get, name, "blobs/" + layer.Digest);
        gate.SetResult();

        Assert.All(await Task.WhenAll(one, two), bytes => Assert.Equal(layer.Bytes, bytes));
        Assert.Single(origin.Ledger, r => r.IsBlobDownload && r.Target == layer.Digest);
    }

    [Fact]
    public async Task A_replica_that_has_a_blob_serves_it_although_another_one_owns_it()
    {
        await using var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var image = TestImage.Small(seed: 902, size: 500_000);
        var name = origin.Add("team/web", "1", image);
        var layer = image.Layers[1];
        var (a, b) = Enumerable.Range(0, 100).Select(_ => (A: FreePort.Next(), B: FreePort.Next()))
            .First(p => StartEngine.OwnerOf(layer.Digest, p.A, p.B) == p.B);
        var gate = new TaskCompletionSource();
        origin.Script = r => r.IsBlobDownload ? Misbehave.HoldAt(200_000, gate.Task) : null;
        await using var replica = await StartEngine.Run(cache, [origin.Host], a, Peers(a, b));   // the owner is not there yet
        using var client = replica.Client();
        var before = client.TryRead(name, layer.Digest);
        await Eventually.True(() => origin.Ledger.Any(r => r.IsBlobDownload), "it is under way");
        await using var owner = await StartEngine.Run(cache, [origin.Host], b, Peers(a, b));

        var after = client.TryRead(name, layer.Digest);
        using var ofOwner = owner.Client();
        var atOwner = ofOwner.TryRead(name, layer.Digest);
        gate.SetResult();

        Assert.All(await Task.WhenAll(before, after, atOwner), bytes => Assert.Equal(layer.Bytes, bytes));
        Assert.Single(origin.Ledger, r => r.IsBlobDownload && r.Target == layer.Digest);
    }

    private static (string, string)[] Peers(params int[] ports) =>
        [.. ports.Select((port, i) => ($"Kuik:Fetcher:Peers:{i}", $"http://127.0.0.1:{port}"))];
}
