using Microsoft.Extensions.Logging;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>Removes ended streams from the log by the policy, in the replica that leads (<see cref="Leadership"/>): a few at a
/// time.</summary>
internal sealed partial class LogRetentionService(
    LogRetentionOptions options, LogRetentionMetrics metrics, NpgsqlDataSource postgres, Leadership leadership, EventLogReady ready,
    PostgresAvailability availability, TimeProvider time, ILogger<LogRetentionService> logger)
    : EventLogWorker("retention of the log", Interval, ready, availability, time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private string? _said;

    /// <inheritdoc/>
    protected override async Task RunPass(CancellationToken ct)
    {
        var page = RetentionPage.None;
        var (streams, events) = (0L, 0L);
        if (leadership.IsHeld)
        {
            await using var connection = await postgres.OpenConnectionAsync(ct);
            do
            {
                if (page.HasMore)
                    await Task.Delay(Pause, Time, ct);
                page = await LogRetention.RemovePage(connection, options, ct);
                metrics.CountRemoved(page.Removed.Events);
                (streams, events) = (streams + page.Removed.Streams, events + page.Removed.Events);
            }
            while (page.HasMore);
        }
        metrics.Show(page);
        if (streams > 0)
            LogRemoved(streams, events, options.RetainFor!.Value);
        if (page.HeldUpBy is { } reason && reason != _said)
            LogHeldUp(page.Late, ReasonOf(reason));
        _said = page.HeldUpBy;
    }

    private static string ReasonOf(string bound) => bound switch
    {
        "export" => "no export of them is confirmed (kuik export --confirm; Kuik:Log:ExportFirst)",
        "chain" => "they are not in the hash chain yet (Kuik:Log:HashChain)",
        _ => "the relay or a projection has not processed them",
    };

    [LoggerMessage(LogLevel.Information,
        "Removed {Streams} streams of pods, workloads and images that ended {RetainFor} ago, with {Events} events")]
    private partial void LogRemoved(long streams, long events, TimeSpan retainFor);

    [LoggerMessage(LogLevel.Warning, "Events that should have left the log {Late} ago stay: {Reason}")]
    private partial void LogHeldUp(TimeSpan late, string reason);
}
