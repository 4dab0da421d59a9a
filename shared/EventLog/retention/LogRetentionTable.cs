using Npgsql;
using Weasel.Postgresql.Tables;

namespace Kuik.EventLog;

/// <summary>The table <c>kuik.log_retention</c> with one row: how far the removal and the confirmed exports have come.</summary>
internal static class LogRetentionTable
{
    private const string EnsureRow = """
        insert into kuik.log_retention (id, position, horizon, horizon_at, removed_events, removed_streams, exported)
        values (1, 0, 0, null, 0, 0, 0) on conflict (id) do nothing
        """;

    private const string LockQuery = "select position, exported from kuik.log_retention where id = 1 for update skip locked";

    private const string AdvanceStatement = """
        update kuik.log_retention set position = $1, horizon = greatest(horizon, $2), horizon_at = greatest(horizon_at, $3),
            removed_events = removed_events + $4, removed_streams = removed_streams + $5
        where id = 1
        """;

    private const string ConfirmStatement = """
        update kuik.log_retention set exported = $2
        where id = 1 and exported < $2 and not exists (
            select from kuik.mt_events where seq_id > exported and seq_id <= $1 and type <> 'tombstone')
        """;

    /// <summary>The table, created by the migration together with Marten's own.</summary>
    public static Table Table()
    {
        var table = new Table("kuik.log_retention");
        table.AddColumn<int>("id").NotNull().AsPrimaryKey();
        table.AddColumn<long>("position").NotNull();
        table.AddColumn<long>("horizon").NotNull();
        table.AddColumn<DateTimeOffset>("horizon_at");
        table.AddColumn<long>("removed_events").NotNull();
        table.AddColumn<long>("removed_streams").NotNull();
        table.AddColumn<long>("exported").NotNull();
        return table;
    }

    /// <summary>Locks the row until the end of the transaction.</summary>
    /// <returns>The place up to which the log has been walked, and up to which exports are confirmed; null while another transaction has
    /// the row.</returns>
    public static async Task<(long Position, long Exported)?> TryLock(NpgsqlConnection connection, CancellationToken ct)
    {
        await Execute(connection, EnsureRow, ct);
        await using var command = new NpgsqlCommand(LockQuery, connection);
        await using var row = await command.ExecuteReaderAsync(ct);
        return await row.ReadAsync(ct) ? (row.GetInt64(0), row.GetInt64(1)) : null;
    }

    /// <summary>Records a page, in the transaction that has removed its streams.</summary>
    public static Task Advance(NpgsqlConnection connection, long position, RemovedStreams removed, CancellationToken ct) =>
        Execute(connection, AdvanceStatement, ct, position, removed.LastSequence, (object?)removed.LastRecordedAt ?? DBNull.Value,
            removed.Events, removed.Streams);

    /// <summary>Records an export.</summary>
    /// <param name="connection">Open; it may write.</param>
    /// <param name="after">The export has all events after this place,</param>
    /// <param name="until">up to this one.</param>
    /// <param name="ct">Cancels it.</param>
    /// <returns>The place up to which exports are confirmed; lower than <paramref name="until"/> when events before
    /// <paramref name="after"/> were in none.</returns>
    public static async Task<long> ConfirmExport(NpgsqlConnection connection, long after, long until, CancellationToken ct)
    {
        await Execute(connection, EnsureRow, ct);
        await Execute(connection, ConfirmStatement, ct, after, until);
        await using var command = new NpgsqlCommand("select exported from kuik.log_retention where id = 1", connection);
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Records the horizon of an imported log, in the import's transaction.</summary>
    public static async Task TakeOver(NpgsqlConnection connection, Audit.LogHorizon horizon, CancellationToken ct)
    {
        await Execute(connection, EnsureRow, ct);
        await Execute(connection, "update kuik.log_retention set position = $1, horizon = $1, horizon_at = $2 where id = 1", ct,
            horizon.Sequence, (object?)horizon.RecordedAt?.UtcDateTime ?? DBNull.Value);
    }

    private static async Task<int> Execute(NpgsqlConnection connection, string sql, CancellationToken ct, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values)
            command.Parameters.Add(value is DBNull
                ? new() { Value = value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz }
                : new() { Value = value });
        return await command.ExecuteNonQueryAsync(ct);
    }
}
