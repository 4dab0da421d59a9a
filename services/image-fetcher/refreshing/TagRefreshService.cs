using System.Runtime.CompilerServices;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>
/// Compares cached images with their origins: those of a Repository with <c>spec.updateInterval</c>, and those that a person asked for. All
/// replicas share the work; few images of a host at a time, because origins count requests.
/// <para>1. Take what is due. 2. Leave out what is due only by the table. 3. Ask the origin of each. 4. Set when it is due again.</para>
/// </summary>
public sealed partial class TagRefreshService(
    ImageRefresher refresher, EventLogTransactions log, NpgsqlDataSource postgres, EventLogReady ready, TimeProvider time,
    ILogger<TagRefreshService> logger) : BackgroundService
{
    /// <summary>Images taken at a time.</summary>
    private const int BatchSize = 20;

    /// <summary>Images compared at a time, and those of one host.</summary>
    private const int MostImages = 8;
    private const int MostOfHost = 2;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(15);

    private readonly PerHostLimiter _turns = new(MostImages, MostOfHost);
    private readonly LastFault _lastFault = new();

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ready.Wait(stoppingToken);
        var options = new ParallelOptions { MaxDegreeOfParallelism = MostImages, CancellationToken = stoppingToken };
        await Parallel.ForEachAsync(FindDue(stoppingToken), options, async (due, ct) => await Refresh(due, ct));
    }

    /// <summary>All that becomes due, until cancelled.</summary>
    private async IAsyncEnumerable<DueRefresh> FindDue([EnumeratorCancellation] CancellationToken ct)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(ct))
        {
            int taken;
            do
            {
                IReadOnlyList<DueRefresh> due = [];
                taken = 0;
                try
                {
                    (taken, due) = await TakeBatch(ct);
                    _lastFault.Clear();
                }
                catch (Exception fault) when (!ct.IsCancellationRequested)
                {
                    _lastFault.Report(fault, LogPutOff, LogUnforeseen);
                }
                foreach (var refresh in due)
                    yield return refresh;
            }
            while (taken == BatchSize);
        }
    }

    private async Task<(int Taken, IReadOnlyList<DueRefresh> Due)> TakeBatch(CancellationToken ct)
    {
        // 1.
        var images = await RefreshWork.Take(postgres, BatchSize, Lease, ct);
        if (images.Count == 0)
            return (0, []);

        // 2.
        var policies = await RepositoryConfigurations.Policies(postgres, ct);
        var due = new List<DueRefresh>();
        var others = new List<(string Image, TimeSpan? Pause)>();
        await log.Execute(
            async transaction =>
            {
                due.Clear();
                others.Clear();
                var now = await transaction.Now(ct);
                foreach (var (image, stream) in images.Zip(await transaction.ReadImages(images, ct)))
                {
                    var policy = ImageReference.TryParse(image, out var name, out _) ? policies.GetValueOrDefault(name.Name) : null;
                    var pause = DueRefresh.PauseOf(stream.State, policy, now);
                    if (pause == TimeSpan.Zero)
                        due.Add(new DueRefresh(image, stream.State.Attempt, policy?.Covers(image) == true ? policy.Every : null, now));
                    else if (stream.State.IsCached)
                        others.Add((image, pause));
                    else
                        await transaction.RepairWork(image, ct);
                }
                return true;
            },
            ct);
        await RefreshWork.Postpone(postgres, others, ct);
        return (images.Count, due);
    }

    private async Task Refresh(DueRefresh due, CancellationToken ct)
    {
        try
        {
            // 3.
            using var turn = await _turns.Enter(ImageReference.TryParse(due.Image, out var name, out _) ? name.Host : "", ct);
            if (await refresher.Refresh(due, ct) is { } answer)
                // 4.
                await RefreshWork.Postpone(postgres, [(due.Image, due.After(answer))], ct);
        }
        catch (Exception fault) when (!ct.IsCancellationRequested)
        {
            _lastFault.Report(fault, LogPutOff, LogUnforeseen);   // due again when its lease is over
        }
    }

    [LoggerMessage(LogLevel.Warning, "no image is compared with its origin until this is over: {Reason}")]
    private partial void LogPutOff(string reason);

    [LoggerMessage(LogLevel.Error, "an image could not be compared with its origin, which is tried again: {Fault}")]
    private partial void LogUnforeseen(string fault);
}
