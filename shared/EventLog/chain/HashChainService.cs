using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>Appends to the hash chain behind the log, in the replica that leads (<see cref="Leadership"/>); appends of events do not wait
/// for it.</summary>
internal sealed class HashChainService(
    HashChainMetrics metrics, NpgsqlDataSource postgres, Leadership leadership, EventLogReady ready, PostgresAvailability availability,
    TimeProvider time)
    : EventLogWorker("hash chain", Interval, ready, availability, time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly SettledEnd _end = new();

    /// <inheritdoc/>
    protected override async Task RunPass(CancellationToken ct)
    {
        if (!leadership.IsHeld)
        {
            metrics.Show(null);
            return;
        }
        await using var connection = await postgres.OpenConnectionAsync(ct);
        var settled = await _end.Advance(new EventPositions(connection), ct);
        var (head, _) = await HashChain.ReadHead(connection, ct);
        metrics.Show(_end.Last - head);
        while (await HashChain.AppendPage(connection, settled, ct) == HashChain.PageSize)
            metrics.Show(_end.Last - (await HashChain.ReadHead(connection, ct)).Sequence);
    }
}
