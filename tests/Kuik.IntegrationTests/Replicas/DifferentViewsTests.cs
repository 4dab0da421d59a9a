using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>
/// For some seconds of each scale-up, restart and rolling update replicas disagree about who is there. These disagree for good.
/// </summary>
public class DifferentViewsTests
{
    private const int Replicas = 3;
    private const int Images = 8;

    /// <summary>The replicas known to each replica, by a name for the test's.</summary>
    private static readonly Dictionary<string, Func<int, int, bool>> Views = new()
    {
        ["a newer one knows all, an older one only those before it"] = (own, peer) => peer <= own,
        ["each knows itself and the next one, in a ring"] = (own, peer) => peer == own || peer == (own + 1) % Replicas,
        ["none knows itself"] = (own, peer) => peer != own,
    };

    public static TheoryData<string> Names => [.. Views.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Replicas_that_disagree_about_who_is_there_do_not_wait_for_each_other(string views)
    {
        await using var origin = await ScriptedOrigin.Start();
        var images = Enumerable.Range(0, Images).Select(i => TestImage.Small(seed: 9500 + i, size: 100_000)).ToList();
        var names = images.Select((image, i) => origin.Add($"team/app{i}", "1", image)).ToList();
        var cache = await Registry.Start();
        await using var fleet = await Fleet.Start(new FleetOptions(cache, [origin.Host]) { Size = Replicas, Knows = Views[views] });
        var log = new PullLog();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(NodeClient.Bound);

        var each = Enumerable.Range(0, Replicas * Images).ToList();
        var pulls = each.Select(i => fleet.Pull(names[i % Images], images[i % Images], log, seed: i)).ToList();
        var copies = await Task.WhenAll(each.Select(i => fleet.Copy(names[i % Images], first: i / Images, limit.Token)));
        await Task.WhenAll(pulls);

        Assert.True(log.Failures.IsEmpty && log.WrongBytes.IsEmpty, log.Timeline);
        Assert.All(copies, copy => Assert.True(copy.IsCopied, copy.Verdict));
    }
}
