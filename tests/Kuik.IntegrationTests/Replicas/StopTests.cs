using System.Diagnostics;
using Xunit;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>SIGTERM in each phase of the work. No client and no copy notices, and the origin sends each byte once.</summary>
public abstract class StopTests
{
    public static TheoryData<StopPhase> Phases => [.. Enum.GetValues<StopPhase>()];

    /// <param name="phase">The work at that moment.</param>
    /// <param name="isLetGo">True: what is under way goes on before the replica's time is up. False: not at all, and another replica
    /// takes over.</param>
    private protected static async Task Stop(StopPhase phase, bool isLetGo)
    {
        // Given
        await using var scene = await StopScene.Start(phase);
        var use = scene.Use(TestContext.Current.CancellationToken);
        var busy = await scene.Reached();

        // When
        scene.Log.Note($"SIGTERM to {busy.Name}");
        var asked = Stopwatch.GetTimestamp();
        busy.BeginStop();
        if (isLetGo)
            scene.LetGo();
        await busy.Stopped(within: StopScene.DrainLimit + TimeSpan.FromSeconds(30));
        var took = Stopwatch.GetElapsedTime(asked);
        scene.LetGo();   // blobs that the other replica owns are held too
        var problem = await use;
        await scene.Joining;

        // Then
        var longest = StopScene.DrainLimit + TimeSpan.FromSeconds(10);
        string[] problems =
        [
            .. problem is null ? Array.Empty<string>() : [problem],
            .. SentTwice(scene),
            .. took > longest ? [$"{busy.Name} ended {took.TotalSeconds:0.0} s after SIGTERM"] : Array.Empty<string>(),
        ];
        Assert.True(problems.Length == 0, $"{string.Join('\n', problems)}\n{scene.Log.Timeline}\n{scene.Fleet.Logs}");
    }

    // Held still, an origin has nothing on its way: each request begins where the one before it ended.
    private static IEnumerable<string> SentTwice(StopScene scene)
    {
        foreach (var blob in scene.Image.Blobs)
        {
            var at = 0L;
            foreach (var request in scene.Origin.Ledger.Where(request => request.IsBlobDownload && request.Target == blob.Digest))
            {
                if (request.From != at)
                    yield return $"{request.At:HH:mm:ss.fff} {blob.Digest} from {request.From}, after {at} of {blob.Bytes.Length} bytes";
                at = request.From + request.Sent;
            }
        }
    }
}

public class StopWithinDrainLimitTests : StopTests
{
    [Theory]
    [MemberData(nameof(Phases))]
    public Task A_replica_that_is_told_to_stop_ends_what_is_under_way(StopPhase phase) => Stop(phase, isLetGo: true);
}

public class StopAfterDrainLimitTests : StopTests
{
    [Theory]
    [MemberData(nameof(Phases))]
    public Task A_replica_that_is_told_to_stop_hands_over_what_it_cannot_end_in_time(StopPhase phase) => Stop(phase, isLetGo: false);
}
