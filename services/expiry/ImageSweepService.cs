using Kuik.EventLog;
using Npgsql;

namespace Kuik.Expiry;

/// <summary>
/// Finds images and work that have become due with time. Only the replica that leads by the lock in Postgres does it (no Kubernetes Lease:
/// expiry has no permissions there, and everything it works on is in Postgres). If two lead for a moment, each decision is still made once:
/// decisions are appended to the image's stream, and work is taken under row locks.
/// </summary>
public sealed partial class ImageSweepService(
    NoteUnused noteUnused, DueWorkAnnouncer dueWorkAnnouncer, NpgsqlDataSource postgres, Leadership leadership, EventLogReady ready,
    ExpiryOptions options, SchedulingOptions scheduling, ExpiryMetrics metrics, TimeProvider time, ILogger<ImageSweepService> logger)
    : BackgroundService
{
    /// <summary>The number of candidates that one sweep checks: the next sweep continues from there.</summary>
    private const int PageSize = 1000;

    private string _after = "";
    private string? _problem;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ready.Wait(stoppingToken);
        using var timer = new PeriodicTimer(options.SweepInterval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
            if (leadership.IsHeld)
                await Sweep(stoppingToken);
            else
                metrics.Show([]);
    }

    /// <summary>Runs one sweep. Does nothing while Postgres or RabbitMQ is unreachable: the next one finds the same.</summary>
    public async Task Sweep(CancellationToken ct)
    {
        try
        {
            await dueWorkAnnouncer.Announce(ct);
            (_after, var unused) = await ImageStates.PageOfUnused(postgres, _after, PageSize, ct);
            foreach (var image in unused)
                await Note(image, ct);
            metrics.Show(await WorkTable.Count(postgres, scheduling.ExpiryDelay, ct));
            if (_problem is not null)
                LogGoesOn();
            _problem = null;
        }
        catch (Exception e) when ((EventLogFault.MeansAway(e) || e is TimeoutException) && !ct.IsCancellationRequested)
        {
            var reason = e is TimeoutException ? e.Message : EventLogFault.ReasonOf(e);
            if (_problem != reason)
                LogAway(reason);
            _problem = reason;
        }
    }

    private async Task Note(string image, CancellationToken ct)
    {
        try
        {
            await noteUnused.Note(image, null, ct);
        }
        catch (Exception e) when (EventLogFault.MeansUnreadable(e))
        {
            // A stream with events of a newer version must not block all other images.
            LogUnreadable(image, e.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "No image expires and no work is announced until this is resolved: {Reason}")]
    private partial void LogAway(string reason);

    [LoggerMessage(LogLevel.Information, "sweeping again")]
    private partial void LogGoesOn();

    [LoggerMessage(LogLevel.Error, "Skipped {Image} in this sweep: {Reason}")]
    private partial void LogUnreadable(string image, string reason);
}
