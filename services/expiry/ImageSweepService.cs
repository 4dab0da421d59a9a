using Kuik.EventLog;
using Npgsql;

namespace Kuik.Expiry;

/// <summary>
/// Looks for what has become due because time passed. One replica does it: the one that leads by the lock in Postgres (no Kubernetes Lease:
/// expiry has no rights there, and what it works on is in Postgres). If two do for a moment, each decision is still made once: it is made on
/// the image's stream, and work is taken under row locks.
/// </summary>
public sealed partial class ImageSweepService(
    NoteUnused noteUnused, DueWorkAnnouncer dueWorkAnnouncer, NpgsqlDataSource postgres, Leadership leadership, EventLogReady ready,
    ExpiryOptions settings, SchedulingOptions scheduling, ExpiryMetrics metrics, TimeProvider time, ILogger<ImageSweepService> logger)
    : BackgroundService
{
    /// <summary>Images that one sweep looks at, of all that would become unused: the next sweep goes on from there.</summary>
    private const int PageSize = 1000;

    private string _after = "";
    private string? _problem;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ready.Wait(stoppingToken);
        using var timer = new PeriodicTimer(settings.SweepInterval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
            if (leadership.IsHeld)
                await Sweep(stoppingToken);
            else
                metrics.Show([]);
    }

    /// <summary>One sweep. While Postgres or RabbitMQ is away it does nothing: the next one finds the same.</summary>
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
            // One stream that a newer version wrote must not keep all other images from being looked at.
            LogUnreadable(image, e.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "nothing expires and nothing is announced again until this is over: {Reason}")]
    private partial void LogAway(string reason);

    [LoggerMessage(LogLevel.Information, "sweeping again")]
    private partial void LogGoesOn();

    [LoggerMessage(LogLevel.Error, "{Image} is left as it is: {Reason}")]
    private partial void LogUnreadable(string image, string reason);
}
