using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// Follows the place in the log below which no event can appear any more. A sequence number is taken by a transaction that already has its
/// id: once every transaction has ended that was open when the last event was looked at, the log is complete up to that event. Unlike
/// Marten's high-water mark it passes over no open transaction, however old. Not for concurrent callers.
/// </summary>
internal sealed class SettledPlace
{
    internal const string Query = """
        select pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
            coalesce((select max(seq_id) from kuik.mt_events), 0)
        """;

    private (long Bound, long Last)? _pending;
    private long _settled;

    /// <summary>Looks again, without waiting.</summary>
    /// <param name="connection">Open; without a transaction.</param>
    /// <param name="ct">Cancels it.</param>
    /// <returns>The last event that is settled, and the last one in the log.</returns>
    public async Task<(long Settled, long Last)> Advance(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(Query, connection);
        await using var row = await command.ExecuteReaderAsync(ct);
        await row.ReadAsync(ct);
        var (oldest, next, last) = (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2));
        if (_pending is { } pending && oldest >= pending.Bound)
            (_settled, _pending) = (pending.Last, null);
        _pending ??= (next, last);
        return (_settled, last);
    }
}
