using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>
/// Keeps the lease on an image that is being copied, by recording again that the copy goes on. Long copies rely on it alone: their message has been acknowledged
/// (see <see cref="HoldAnnouncements"/>), and whoever gets the image announced again sees a live lease and drops it.
/// </summary>
public sealed partial class KeepLease(EventLogTransactions log, FetcherSettings settings, TimeProvider time, ILogger<KeepLease> logger)
{
    /// <summary>Runs a copy, renewing the lease at half of it until the copy has ended: one renewal may be late.</summary>
    public async Task<T> While<T>(string image, Func<Task<T>> copy)
    {
        using var ended = new CancellationTokenSource();
        var renewing = RenewUntil(image, ended.Token);
        try
        {
            return await copy();
        }
        finally
        {
            await ended.CancelAsync();
            await renewing;
        }
    }

    /// <summary>Ends the lease now: nobody has to wait for a replica that was told to stop.</summary>
    public async Task GiveBack(string image)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5), time);
        try
        {
            await Renew(image, TimeSpan.Zero, limit.Token);
        }
        catch (OperationCanceledException)
        {
            LogNotRecorded(image, "Postgres did not answer in time");
        }
    }

    private async Task RenewUntil(string image, CancellationToken ended)
    {
        using var timer = new PeriodicTimer(settings.Lease / 2, time);
        try
        {
            while (await timer.WaitForNextTickAsync(ended))
                await Renew(image, settings.Lease, ended);
        }
        catch (OperationCanceledException)
        {
            return;   // the copy has ended
        }
    }

    private async Task Renew(string image, TimeSpan lease, CancellationToken ct)
    {
        try
        {
            await log.Run(async transaction =>
            {
                var stream = await transaction.Read(StreamName.OfImage(image), Fetching.Nothing, Fetching.Fold, ct);
                if (stream.State.By != settings.Name)
                    return;
                var now = await transaction.Now(ct);
                stream.Append(new ImageFetchStarted(image, settings.Name, now + lease, now) { IsRenewal = lease > TimeSpan.Zero });
            }, ct);
        }
        catch (Exception error) when (error is not OperationCanceledException || !ct.IsCancellationRequested)
        {
            // The copy goes on. At worst another replica takes the image too, and finds in the cache what this one has put there.
            LogNotRecorded(image, error is NpgsqlException ? error.Message : ExceptionSummary.WithStack(error));
        }
    }

    [LoggerMessage(LogLevel.Warning, "the lease on {Image} could not be recorded: {Reason}")]
    private partial void LogNotRecorded(string image, string reason);
}
