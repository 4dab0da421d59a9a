using System.Collections.Concurrent;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>
/// Looks at every image that is recorded as cached once in an interval, so that the record is never wrong for longer. All replicas share
/// the work; an image is taken by one of them. A loss counts when a second look a few seconds later finds it too.
/// <para>1. Take what is due. 2. Look at each. 3. Look again at what was missing. 4. Record it.</para>
/// </summary>
public sealed partial class CacheVerificationService(
    ImageVerifier verifier, NpgsqlDataSource postgres, EventLogReady ready, VerificationOptions options, FetcherMetrics metrics,
    TimeProvider time, ILogger<CacheVerificationService> logger) : BackgroundService
{
    /// <summary>Images taken at a time.</summary>
    private const int BatchSize = 200;

    /// <summary>Images looked at side by side.</summary>
    private const int MostLooks = 4;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan BeforeSecondLook = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromSeconds(10);

    private readonly LastFault _lastFault = new();

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ready.Wait(stoppingToken);
        using var timer = new PeriodicTimer(Interval, time);
        var scheduleAt = DateTimeOffset.MinValue;
        while (await timer.WaitForNextTickAsync(stoppingToken))
            try
            {
                if (time.GetUtcNow() >= scheduleAt)
                {
                    await Schedule(stoppingToken);
                    scheduleAt = time.GetUtcNow() + options.Interval;
                }
                while (await VerifyBatch(stoppingToken) == BatchSize)
                    continue;
                _lastFault.Clear();
            }
            catch (Exception fault) when (!stoppingToken.IsCancellationRequested)
            {
                _lastFault.Report(fault, LogPutOff, LogUnforeseen);
            }
    }

    /// <summary>Looks at one batch.</summary>
    /// <returns>How many images were due.</returns>
    /// <exception cref="CopyException">The cache registry does not answer: what was not looked at is due again soon.</exception>
    public async Task<int> VerifyBatch(CancellationToken ct)
    {
        // 1.
        var due = await VerificationWork.Take(postgres, BatchSize, options.Interval, ct);
        if (due.Count == 0)
            return 0;
        var cached = await verifier.FindCached(due, ct);

        // 2.
        var lost = await Look(cached, ct);
        if (lost.Count > 0)
        {
            // 3.
            await Task.Delay(BeforeSecondLook, time, ct);
            lost = await Look([.. lost.Select(loss => loss.Image)], ct);
        }
        metrics.CountVerifications("whole", cached.Count - lost.Count);

        // 4.
        foreach (var (image, loss) in lost)
            await verifier.Record(image, loss, "verification", ct);
        return due.Count;
    }

    private async Task<IReadOnlyList<(CachedClaim Image, string Loss)>> Look(IReadOnlyList<CachedClaim> images, CancellationToken ct)
    {
        var seen = new ConcurrentDictionary<string, bool>();
        var lost = new ConcurrentBag<(CachedClaim Image, string Loss)>();
        try
        {
            var parallel = new ParallelOptions { MaxDegreeOfParallelism = MostLooks, CancellationToken = ct };
            await Parallel.ForEachAsync(images, parallel, async (image, stop) =>
            {
                if (await verifier.FindLoss(image, stop) is { } loss)
                    lost.Add((image, loss));
                else
                    seen.TryAdd(image.Name, true);
            });
        }
        catch (CopyException)
        {
            string[] unseen = [.. images.Select(image => image.Name).Where(name => !seen.ContainsKey(name))];
            metrics.CountVerifications("failed", unseen.Length);
            await VerificationWork.PutOff(postgres, unseen, PauseAfterFailure, ct);
            throw;
        }
        return [.. images.Join(lost, image => image, loss => loss.Image, (_, loss) => loss)];   // in their order
    }

    /// <summary>Makes every image that is recorded as cached due within the interval, whatever an earlier version or setting
    /// left.</summary>
    private async Task Schedule(CancellationToken ct)
    {
        const int PageSize = 1000;
        await VerificationWork.BringForward(postgres, options.Interval, ct);
        var after = "";
        do
            after = await VerificationWork.OpenMissing(postgres, after, PageSize, options.Interval, ct);
        while (after.Length > 0);
    }

    [LoggerMessage(LogLevel.Warning, "the cache is not compared with the event log until this is over: {Reason}")]
    private partial void LogPutOff(string reason);

    [LoggerMessage(LogLevel.Error, "the cache could not be compared with the event log, which is tried again: {Fault}")]
    private partial void LogUnforeseen(string fault);
}
