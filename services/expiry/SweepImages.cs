using Kuik.EventLog;
using Npgsql;

namespace Kuik.Expiry;

/// <summary>
/// Looks at all images for what has become due because time passed. One replica does it: the one that leads by the lock in Postgres which also runs the
/// projection (no Kubernetes Lease: expiry has no rights there, and what it works on is in Postgres). If two do for a moment, each decision
/// still falls once: it is made on the image's stream, and the second finds it made.
/// </summary>
public sealed partial class SweepImages(
    NoteUnused noteUnused, ProposeExpiry proposeExpiry, AnnounceAgain announceAgain,
    NpgsqlDataSource postgres, Leadership leadership, EventLogReady ready, ExpirySettings settings, TimeProvider time, ILogger<SweepImages> logger) : BackgroundService
{
    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ready.Wait(stoppingToken);
        using var timer = new PeriodicTimer(settings.SweepInterval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
            if (leadership.IsHeld)
                await Sweep(stoppingToken);
    }

    /// <summary>One sweep. While Postgres is away it says so and does nothing: the next one finds the same.</summary>
    public async Task Sweep(CancellationToken ct)
    {
        try
        {
            var now = time.GetUtcNow();
            foreach (var image in await FindImages.WithoutUsers(postgres, ct))
                await Look(image, () => noteUnused.Run(image, null, ct));
            foreach (var image in await FindImages.Expiring(postgres, now, settings.RequestLease, ct))
                await Look(image, () => proposeExpiry.Run(image, ct));
            foreach (var image in await FindImages.Overdue(postgres, now, settings.RequestLease, ct))
                await Look(image, () => announceAgain.Run(image, ct));
        }
        catch (Exception e) when (EventLogFault.MeansAway(e))
        {
            LogAway(EventLogFault.ReasonOf(e));
        }
    }

    private async Task Look(string image, Func<Task<bool>> decide)
    {
        try
        {
            await decide();
        }
        catch (Exception e) when (EventLogFault.MeansUnreadable(e))
        {
            // One stream that a newer version wrote must not keep all other images from being looked at. The projection has stopped at it: readiness shows it.
            LogUnreadable(image, e.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "The sweep is put off: Postgres does not answer ({Reason})")]
    private partial void LogAway(string reason);

    [LoggerMessage(LogLevel.Error, "{Image} is left as it is: {Reason}")]
    private partial void LogUnreadable(string image, string reason);
}
