using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Replicas;

public class RollingUpdateTests
{
    private const int Replicas = 3;
    private const int Clients = 51;
    private const int LayerSize = 1_500_000;

    [Fact]
    public async Task A_rolling_update_of_three_replicas_under_fifty_pulls_fails_none_and_costs_no_origin_byte_twice()
    {
        // Given three replicas and an origin from which a layer takes longer than a replica drains
        await using var origin = await ScriptedOrigin.Start();
        origin.Script = request => request.IsBlobDownload ? SendInPieces.Paced(bytesPerSecond: 200_000) : null;
        var images = Enumerable.Range(0, Clients / 3).Select(i => TestImage.Small(seed: 5000 + i, LayerSize)).ToList();
        var names = images.Select((image, i) => origin.Add($"team/app{i % 4}", $"{i}", image)).ToList();
        var cache = await Registry.Start();
        await using var fleet = await Fleet.Start(new FleetOptions(cache, [origin.Host]) { Size = Replicas });
        var log = new PullLog();

        // When each is replaced, and clients begin to pull right before
        var pulls = new List<Task<bool>>();
        var slowest = TimeSpan.Zero;
        foreach (var replica in fleet.Replicas)
        {
            var first = pulls.Count;
            pulls.AddRange(Enumerable.Range(first, Clients / Replicas)
                .Select(client => fleet.Pull(names[client / 3], images[client / 3], log, client)));
            await Eventually.True(
                () => origin.Ledger.Any(request => request is { IsBlobDownload: true, Sent: > 0, EndedAt: null }),
                "layers are on their way");
            log.Note($"SIGTERM to {replica.Name}");
            var asked = DateTimeOffset.UtcNow;
            replica.BeginStop();
            await replica.Stopped(Fleet.DrainLimit + TimeSpan.FromSeconds(60));
            slowest = DateTimeOffset.UtcNow - asked is var took && took > slowest ? took : slowest;
            log.Note($"{replica.Name} has ended");
            await replica.Start();
        }
        await Task.WhenAll(pulls);

        // Then
        Assert.True(log.Failures.IsEmpty && log.WrongBytes.IsEmpty, log.Timeline);
        Assert.Equal(Clients, log.Pulls);
        var twice = OriginBytes.SentTwice(origin, images);
        Assert.True(twice.Count == 0, string.Join('\n', twice.Append(log.Timeline).Append(fleet.Logs)));
        Assert.True(slowest <= Fleet.DrainLimit + TimeSpan.FromSeconds(10), $"a replica ended {slowest.TotalSeconds:0.0} s after SIGTERM");
    }
}
