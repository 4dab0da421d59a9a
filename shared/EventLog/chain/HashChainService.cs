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

    private readonly SettledPlace _place = new();

    /// <inheritdoc/>
    protected override async Task RunPass(CancellationToken ct)
    {
        if (!leadership.IsHeld)
        {
            metrics.Show(null);
            return;
        }
        await using var connection = await postgres.OpenConnectionAsync(ct);
        var (settled, last) = await _place.Advance(connection, ct);
        var (head, _) = await HashChain.ReadHead(connection, ct);
        metrics.Show(last - head);
        while (await HashChain.AppendPage(connection, settled, ct) == HashChain.PageSize)
            metrics.Show(last - (await HashChain.ReadHead(connection, ct)).Sequence);
    }
}
