using System.Diagnostics;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Replicas;

public sealed class SlowOriginsTests : IAsyncLifetime
{
    private const int SlowImages = 8;
    private const int GoodImages = 8;

    /// <summary>How much longer than without slow origins: a factor, and what a machine that others use may add.</summary>
    private const int Factor = 3;
    private static readonly TimeSpan Noise = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource measured = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PullLog log = new();
    private ScriptedOrigin[] slow = [];
    private ScriptedOrigin good = null!;
    private Fleet fleet = null!;

    public async ValueTask InitializeAsync()
    {
        good = await ScriptedOrigin.Start();
        slow = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => ScriptedOrigin.Start()));
        // One trickles, one takes long to begin, one stalls in the middle and goes on.
        slow[0].Script = Blobs(SendInPieces.Each((http, _) => UntilMeasured(http, TimeSpan.FromSeconds(2))));
        slow[1].Script = Blobs(SendInPieces.Each((_, _) => Task.CompletedTask, http => UntilMeasured(http, Timeout.InfiniteTimeSpan)));
        slow[2].Script = Blobs(SendInPieces.HoldAt(2 * SendInPieces.PieceSize, measured.Task));
        var cache = await Registry.Start();
        fleet = await Fleet.Start(new FleetOptions(cache, [good.Host, .. slow.Select(origin => origin.Host)]));
    }

    public async ValueTask DisposeAsync()
    {
        await fleet.DisposeAsync();
        foreach (var origin in slow.Append(good))
            await origin.DisposeAsync();
    }

    [Fact]
    public async Task Pulls_and_copies_from_a_good_origin_take_no_longer_while_others_trickle_answer_late_or_stall()
    {
        // Given what the good one takes alone
        var warm = await Measure(seed: 7000);
        var alone = await Measure(seed: 7100);

        // When more is under way at each slow one than any limit on copies allows
        var waiting = slow.SelectMany((origin, kind) => Enumerable.Range(0, SlowImages)
            .Select(i => Use(Add(origin, 7200 + 100 * kind + i), isPull: i % 2 == 0, i))).ToList();
        await Eventually.True(() => slow.All(IsAtWork), "all slow origins are at work");
        var beside = await Measure(seed: 7600);
        measured.SetResult();
        var isWhole = await Task.WhenAll(waiting);

        // Then
        var limit = Factor * alone + Noise;
        TestContext.Current.SendDiagnosticMessage(
            $"first {warm.TotalSeconds:0.0} s, alone {alone.TotalSeconds:0.0} s, beside slow origins {beside.TotalSeconds:0.0} s");
        Assert.True(beside <= limit, $"{beside.TotalSeconds:0.0} s beside slow origins, {alone.TotalSeconds:0.0} s alone\n{log.Timeline}");
        Assert.True(isWhole.All(each => each) && log.Failures.IsEmpty && log.WrongBytes.IsEmpty, log.Timeline);
    }

    private static bool IsAtWork(ScriptedOrigin origin) => origin.Ledger.Any(request => request is { IsBlobDownload: true, EndedAt: null });

    private static Func<OriginRequest, Misbehaviour?> Blobs(Misbehaviour how) => request => request.IsBlobDownload ? how : null;

    private static (string Name, TestImage Image) Add(ScriptedOrigin origin, int seed)
    {
        var image = TestImage.Small(seed, size: 200_000);
        return (origin.Add($"team/app{seed}", "1", image), image);
    }

    private async Task UntilMeasured(Microsoft.AspNetCore.Http.HttpContext http, TimeSpan atMost)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        await Task.WhenAny(measured.Task, Task.Delay(atMost, end.Token));
        await end.CancelAsync();
    }

    /// <summary>The time of pulls and copies of cold images from the good origin, half and half, all at once.</summary>
    private async Task<TimeSpan> Measure(int seed)
    {
        var images = Enumerable.Range(0, GoodImages).Select(i => Add(good, seed + i)).ToList();
        var begun = Stopwatch.GetTimestamp();
        var isWhole = await Task.WhenAll(images.Select((image, i) => Use(image, isPull: i % 2 == 0, i)));
        Assert.All(isWhole, each => Assert.True(each, log.Timeline));
        return Stopwatch.GetElapsedTime(begun);
    }

    private async Task<bool> Use((string Name, TestImage Image) image, bool isPull, int seed)
    {
        var stop = TestContext.Current.CancellationToken;
        if (!isPull)
        {
            var outcome = await fleet.Copy(image.Name, seed % fleet.Replicas.Count, stop);
            log.Note($"copy of {image.Name}: {outcome.Verdict ?? "done"}");
            return outcome.IsCopied;
        }
        return await fleet.Pull(image.Name, image.Image, log, seed);
    }
}
