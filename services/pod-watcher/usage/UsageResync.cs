using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.Kubernetes;
using Npgsql;

namespace Kuik.PodWatcher;

/// <summary>
/// Compares the usage table with the leader's copy in memory, and queues the differences. A new leader reads the table once; a transaction
/// of the previous leader may commit after that.
/// </summary>
/// <param name="known">The copy in memory.</param>
/// <param name="queue">The queue of pods.</param>
/// <param name="postgres">The event log.</param>
/// <param name="first">The time from the start to the first comparison; the others follow every ten minutes.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Logs differences and failures.</param>
internal sealed partial class UsageResync(
    UsageCache known, WorkQueue queue, NpgsqlDataSource postgres, TimeSpan first, TimeProvider time, ILogger<UsageResync> logger)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);

    /// <summary>Compares until cancelled.</summary>
    public async Task Run(CancellationToken ct)
    {
        var backOff = new BackOff(time);
        await Task.Delay(first, time, ct);
        while (true)
        {
            try
            {
                await Compare(ct);
                backOff.Reset();
                await Task.Delay(Interval, time, ct);
            }
            catch (Exception fault) when (!ct.IsCancellationRequested)
            {
                LogFailed(Failure.From(fault).Reason);
                await backOff.Wait(ct);
            }
        }
    }

    private async Task Compare(CancellationToken ct)
    {
        // A pod that is recorded between the two reads differs too: one superfluous read of the log.
        await using var connection = await postgres.OpenConnectionAsync(ct);
        var recorded = await ImageUsers.PodUids(connection, ct);
        var different = known.Uids().ToHashSet();
        different.SymmetricExceptWith(recorded);
        if (different.Count == 0)
            return;
        LogDifferent(different.Count);
        known.Doubt(different);
        queue.Add(different);
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Pods} pods differ between memory and the usage table: their streams are read")]
    private partial void LogDifferent(int pods);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "the usage table cannot be compared with memory ({Reason}); trying again with growing pauses")]
    private partial void LogFailed(string reason);
}
