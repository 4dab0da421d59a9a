using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Finds places in the log.</summary>
/// <param name="connection">Open.</param>
public sealed class EventPositions(NpgsqlConnection connection)
{
    /// <summary>How long to wait for transactions that may still append before a position.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>No transaction that appends is open for so long: they take seconds, and one that is idle is ended after 30.</summary>
    private static readonly TimeSpan LongestTransaction = TimeSpan.FromMinutes(10);

    /// <summary>So many numbers are looked through one by one.</summary>
    private const long Near = 500;

    /// <summary>The sequence number of the last event; 0 for an empty log.</summary>
    public async Task<long> Last(CancellationToken ct) =>
        await Ask("select coalesce(max(seq_id), 0) from kuik.mt_events", ct);

    /// <summary>The last sequence number up to a place; null for none.</summary>
    public async Task<long?> Find(Instant? place, CancellationToken ct) => place is null ? null : await place.Find(this, ct);

    /// <summary>The place before which the log is not whole.</summary>
    public Task<LogHorizon> Horizon(CancellationToken ct) => LogHorizon.Read(connection, ct);

    /// <summary>The same; nothing is removed from the log until <see cref="ReleaseHorizon"/>, or until the connection is closed.</summary>
    public async Task<LogHorizon> HoldHorizon(CancellationToken ct)
    {
        await LockHorizon("pg_advisory_lock_shared", ct);
        return await Horizon(ct);
    }

    /// <summary>Ends <see cref="HoldHorizon"/>.</summary>
    public Task ReleaseHorizon(CancellationToken ct) => LockHorizon("pg_advisory_unlock_shared", ct);

    private async Task LockHorizon(string function, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"select {function}($1)", connection)
        {
            Parameters = { new() { Value = AdvisoryLocks.KeyOf(LogRetention.PauseLock) } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>
    /// The last sequence number before the first event that was recorded after this instant. A prefix of the log: transactions that
    /// overlap have times out of order, and the state between two of them would be one that never was.
    /// </summary>
    public async Task<long> At(DateTimeOffset instant, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            select coalesce(
                (select seq_id - 1 from kuik.mt_events where seq_id > $2 and timestamp > $1 and type <> 'tombstone'
                    order by seq_id limit 1),
                (select max(seq_id) from kuik.mt_events), 0)
            """, connection)
        {
            Parameters =
            {
                new() { Value = instant.ToUniversalTime() }, new() { Value = await FindBefore(instant - LongestTransaction, ct) },
            },
            CommandTimeout = 600,
        };
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    // The sequence number of an event of this time or before, near the last one; 0 for none. The number is given out after the time was
    // taken, so that all events before it were recorded less than the longest transaction later.
    private async Task<long> FindBefore(DateTimeOffset instant, CancellationToken ct)
    {
        await using var probe = new NpgsqlCommand("""
            select seq_id, timestamp <= $2 from kuik.mt_events where seq_id >= $1 and type <> 'tombstone' order by seq_id limit 1
            """, connection)
        {
            Parameters = { new NpgsqlParameter<long>(), new() { Value = instant.ToUniversalTime() } },
        };
        var (before, after) = (0L, await Last(ct) + 1);
        while (after - before > Near)
        {
            var middle = before + ((after - before) / 2);
            ((NpgsqlParameter<long>)probe.Parameters[0]).TypedValue = middle;
            await using var row = await probe.ExecuteReaderAsync(ct);
            if (await row.ReadAsync(ct) && row.GetBoolean(1))
                before = Math.Max(middle, row.GetInt64(0));
            else
                after = middle;
        }
        return before;
    }

    /// <summary>The time of the last event up to this place; null when there is none.</summary>
    public async Task<DateTimeOffset?> TimeOf(long sequence, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            "select timestamp from kuik.mt_events where seq_id <= $1 and type <> 'tombstone' order by seq_id desc limit 1", connection)
        {
            Parameters = { new() { Value = sequence } },
        };
        return await command.ExecuteScalarAsync(ct) is DateTime time ? new DateTimeOffset(time) : null;
    }

    /// <summary>
    /// The last sequence number, once no transaction is open that may append before it: numbers are given out before the commit. Not in
    /// a transaction with repeatable reads.
    /// </summary>
    /// <exception cref="TimeoutException">Such a transaction is open for longer than <see cref="LongestWait"/>.</exception>
    public async Task<long> WaitForSettledEnd(TimeProvider time, CancellationToken ct)
    {
        var (_, bound, last) = await ReadHorizon(ct);
        var began = time.GetTimestamp();
        while ((await ReadHorizon(ct)).OldestOpen < bound)
        {
            if (time.GetElapsedTime(began) > LongestWait)
                throw new TimeoutException(
                    $"a transaction in Postgres has been open for {LongestWait.TotalSeconds:0} s, and events that it appends before "
                    + $"{last} would be missed");
            await Task.Delay(Pause, time, ct);
        }
        return last;
    }

    /// <summary>
    /// The transactions that are open now, and the last event that is visible now: once <c>OldestOpen</c> of a later call reaches
    /// <c>NextOpen</c> of this one, no transaction may append before <c>Last</c> any more. Not in a transaction with repeatable reads.
    /// </summary>
    public async Task<(long OldestOpen, long NextOpen, long Last)> ReadHorizon(CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            select pg_snapshot_xmin(now.snapshot)::text::bigint, pg_snapshot_xmax(now.snapshot)::text::bigint,
                coalesce((select max(seq_id) from kuik.mt_events), 0)
            from (select pg_current_snapshot() as snapshot) now
            """, connection);
        await using var row = await command.ExecuteReaderAsync(ct);
        await row.ReadAsync(ct);
        return (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2));
    }

    private async Task<long> Ask(string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }
}
