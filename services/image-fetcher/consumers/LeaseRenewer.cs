using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>
/// Keeps the lease on an image that is being copied or evicted, in the work table and by the database's clock. Long copies rely on it
/// alone: their message has been acknowledged (see <see cref="AcknowledgementDeadline"/>), and a replica that gets the image announced
/// again sees a live lease and drops it.
/// </summary>
public sealed partial class LeaseRenewer(NpgsqlDataSource postgres, FetcherOptions options, TimeProvider time,
    ILogger<LeaseRenewer> logger)
{
    /// <summary>How long an eviction that failed rests.</summary>
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Runs a copy, renewing the lease at half of it until the copy has ended: one renewal may be late.</summary>
    public async Task<T> While<T>(string image, long attempt, Func<Task<T>> copy)
    {
        using var ended = new CancellationTokenSource();
        var renewing = RenewUntil(image, attempt, ended.Token);
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

    /// <summary>Ends the lease of a copy now: no other replica has to wait for one that was told to stop.</summary>
    public Task GiveBack(string image, long attempt) => End(WorkKind.Fetch, image, attempt, TimeSpan.Zero);

    /// <summary>Ends the lease of an eviction that failed: it is announced again after a pause.</summary>
    public Task PutOff(string image, long attempt) => End(WorkKind.Evict, image, attempt, PauseAfterFailure);

    private async Task End(WorkKind kind, string image, long attempt, TimeSpan pause)
    {
        using var limit = new CancellationTokenSource(Patience, time);
        try
        {
            await WorkTable.GiveBack(postgres, kind, image, attempt, pause, limit.Token);
        }
        catch (Exception error) when (error is OperationCanceledException || EventLogFault.IsOfPostgres(error))
        {
            LogNotEnded(image, error is OperationCanceledException ? "Postgres did not answer in time" : EventLogFault.ReasonOf(error));
        }
    }

    private async Task RenewUntil(string image, long attempt, CancellationToken ct)
    {
        using var timer = new PeriodicTimer(options.Lease / 2, time);
        try
        {
            while (await timer.WaitForNextTickAsync(ct))
                await Renew(image, attempt, ct);
        }
        catch (OperationCanceledException)
        {
            return;   // the copy has ended
        }
    }

    private async Task Renew(string image, long attempt, CancellationToken ct)
    {
        try
        {
            if (!await WorkTable.Renew(postgres, WorkKind.Fetch, image, attempt, options.Lease, ct))
                LogNoLongerCurrent(image, attempt);
        }
        catch (Exception error) when (error is not OperationCanceledException || !ct.IsCancellationRequested)
        {
            // The copy goes on. At worst another replica takes the image too, and finds in the cache what this one has put there.
            LogNotRenewed(image, EventLogFault.IsOfPostgres(error) ? EventLogFault.ReasonOf(error) : ExceptionSummary.WithStack(error));
        }
    }

    [LoggerMessage(LogLevel.Warning, "the lease on {Image} could not be renewed ({Reason}); the copy goes on")]
    private partial void LogNotRenewed(string image, string reason);

    [LoggerMessage(LogLevel.Warning, "the lease on {Image} could not be given back ({Reason}); it ends by itself")]
    private partial void LogNotEnded(string image, string reason);

    [LoggerMessage(LogLevel.Information, "attempt {Attempt} to copy {Image} is no longer the current one: its outcome will not count")]
    private partial void LogNoLongerCurrent(string image, long attempt);
}
