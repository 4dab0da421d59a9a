using Kuik.Contracts;
using Npgsql;
using Weasel.Postgresql.Tables;

namespace Kuik.EventLog;

/// <summary>
/// The work table: open work on each image and when it is due (<see cref="ImageWork"/>), changed in the transaction that records the event
/// which starts or ends it. Scheduling is not a fact: announcements and leases change here and not in the log.
/// </summary>
public static class WorkTable
{
    internal const string TakeDueQuery = """
        with due as (
            select kind, image, wake_at from kuik.work where kind = any($3) and wake_at <= now()
            order by wake_at limit $1 for update skip locked)
        update kuik.work set wake_at = now() + $2 from due where work.image = due.image and work.kind = due.kind
        returning work.kind, work.image, due.wake_at, work.wake_at
        """;

    internal const string PostponeQuery = """
        update kuik.work set wake_at = now() + $1 from unnest($2::text[], $3::text[], $4::timestamptz[]) as taken (kind, image, wake_at)
        where work.image = taken.image and work.kind = taken.kind and work.wake_at = taken.wake_at
        """;

    internal const string ExpiringQuery = """
        (select image from kuik.work where kind = 'expire' and wake_at <= now() - $1 order by wake_at limit $2)
        union all
        (select image from kuik.work where kind = 'expire-at' and wake_at <= now() order by wake_at limit $2)
        limit $2
        """;

    internal const string CountQuery = """
        select kind, count(*), count(*) filter (where wake_at <= now() - interval '1 minute') from kuik.work
        where kind in ('fetch', 'evict', 'expire-at') and wake_at <= now() group by kind
        union all
        select 'expire', count(*), count(*) filter (where wake_at <= now() - $1 - interval '1 minute') from kuik.work
        where kind = 'expire' and wake_at <= now() - $1
        """;

    private const string Lease = """
        insert into kuik.work (kind, image, wake_at, attempt, lease_until, leased_by)
        values ($1, $2, now() + $3, $4, now() + $3, $5)
        on conflict (image, kind) do update set wake_at = excluded.wake_at, attempt = excluded.attempt,
            lease_until = excluded.lease_until, leased_by = excluded.leased_by
        """;

    /// <summary>
    /// The lease on a piece of work; null when there is no such work. Not locked: of two concurrent claims, the version
    /// of the image's stream admits one.
    /// </summary>
    public static async Task<WorkLease?> FindLease(NpgsqlConnection connection, WorkKind kind, string image, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            select attempt, leased_by, coalesce(lease_until > now(), false) from kuik.work where kind = $1 and image = $2
            """, connection) { Parameters = { new() { Value = NameOf(kind) }, new() { Value = image } } };
        await using var row = await command.ExecuteReaderAsync(ct);
        return await row.ReadAsync(ct)
            ? new WorkLease(row.GetInt64(0), row.IsDBNull(1) ? null : row.GetString(1), row.GetBoolean(2))
            : null;
    }

    /// <summary>Claims a piece of work; the claim is recorded in the same transaction.</summary>
    public static Task Claim(NpgsqlConnection connection, WorkKind kind, string image, long attempt, string by, TimeSpan lease,
        CancellationToken ct) =>
        Execute(connection, Lease, [NameOf(kind), image, lease, attempt, by], ct);

    /// <summary>Renews a lease. False when the claim is no longer the current one.</summary>
    public static async Task<bool> Renew(NpgsqlDataSource postgres, WorkKind kind, string image, long attempt, TimeSpan lease,
        CancellationToken ct)
    {
        await using var connection = await postgres.OpenConnectionAsync(ct);
        return await Execute(connection, """
            update kuik.work set lease_until = now() + $4, wake_at = now() + $4
            where kind = $1 and image = $2 and attempt = $3 and leased_by is not null
            """, [NameOf(kind), image, attempt, lease], ct) == 1;
    }

    /// <summary>
    /// Releases a lease: the work is due again after the pause, for any replica. Does nothing when the claim is not the current one.
    /// </summary>
    public static async Task GiveBack(NpgsqlDataSource postgres, WorkKind kind, string image, long attempt, TimeSpan pause,
        CancellationToken ct)
    {
        await using var connection = await postgres.OpenConnectionAsync(ct);
        await Execute(connection, """
            update kuik.work set lease_until = null, leased_by = null, wake_at = now() + $4 where kind = $1 and image = $2 and attempt = $3
            """, [NameOf(kind), image, attempt, pause], ct);
    }

    /// <summary>Takes due copies and evictions without a live lease, longest waiting first. They are due again after the pause.</summary>
    /// <param name="postgres">The event log.</param>
    /// <param name="limit">The limit of results.</param>
    /// <param name="pause">The time limit for announcing them.</param>
    /// <param name="ct">Cancels it.</param>
    public static async Task<IReadOnlyList<DueWork>> TakeDue(NpgsqlDataSource postgres, int limit, TimeSpan pause, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(TakeDueQuery);
        command.Parameters.Add(new() { Value = limit });
        command.Parameters.Add(new() { Value = pause });
        command.Parameters.Add(new() { Value = new[] { NameOf(WorkKind.Fetch), NameOf(WorkKind.Evict) } });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var due = new List<DueWork>();
        while (await rows.ReadAsync(ct))
            due.Add(new DueWork(
                KindOf(rows.GetString(0)), rows.GetString(1), rows.GetFieldValue<DateTimeOffset>(2),
                rows.GetFieldValue<DateTimeOffset>(3)));
        return due;
    }

    /// <summary>
    /// Postpones announced work: it is due again after the pause. Work that was claimed or has ended since is not changed.
    /// </summary>
    public static async Task Postpone(NpgsqlDataSource postgres, IReadOnlyList<DueWork> work, TimeSpan pause, CancellationToken ct)
    {
        await using var connection = await postgres.OpenConnectionAsync(ct);
        await Execute(connection, PostponeQuery, [
            pause, work.Select(taken => NameOf(taken.Kind)).ToArray(), work.Select(taken => taken.Image).ToArray(),
            work.Select(taken => taken.DueAgain).ToArray()], ct);
    }

    /// <summary>Images whose expiry is due: unused for the whole delay, or forgotten, or at the time that a person set; the longest waiting
    /// first.</summary>
    public static async Task<IReadOnlyList<string>> Expiring(NpgsqlDataSource postgres, TimeSpan expiryDelay, int limit,
        CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(ExpiringQuery);
        command.Parameters.Add(new() { Value = expiryDelay });
        command.Parameters.Add(new() { Value = limit });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var images = new List<string>();
        while (await rows.ReadAsync(ct))
            images.Add(rows.GetString(0));
        return images;
    }

    /// <summary>The number of due pieces of work, and of those due for more than a minute, by kind.</summary>
    public static async Task<IReadOnlyList<(WorkKind Kind, long Due, long Overdue)>> Count(NpgsqlDataSource postgres, TimeSpan expiryDelay,
        CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(CountQuery);
        command.Parameters.Add(new() { Value = expiryDelay });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var counts = new List<(WorkKind, long, long)>();
        while (await rows.ReadAsync(ct))
            counts.Add((KindOf(rows.GetString(0)), rows.GetInt64(1), rows.GetInt64(2)));
        return counts;
    }

    /// <summary>The table, created by the migration together with Marten's own.</summary>
    internal static Table Table()
    {
        var table = new Table("kuik.work");
        table.AddColumn<string>("image").NotNull().AsPrimaryKey();
        table.AddColumn<string>("kind").NotNull().AsPrimaryKey();
        table.AddColumn<DateTimeOffset>("wake_at").NotNull();
        table.AddColumn<long>("attempt").NotNull();
        table.AddColumn<DateTimeOffset>("lease_until");
        table.AddColumn<string>("leased_by");
        table.Indexes.Add(new IndexDefinition("work_wake_at") { Columns = ["kind", "wake_at"] });
        return table;
    }

    /// <summary>The changes of the table when an image goes from one state to another.</summary>
    /// <param name="before">The state that the table agrees with.</param>
    /// <param name="after">The state that it will agree with.</param>
    /// <param name="announcement">How long the event's own message may stay without effect before the work is announced again.</param>
    internal static IEnumerable<NpgsqlBatchCommand> Update(ImageState before, ImageState after, TimeSpan announcement)
    {
        var (was, open) = (ImageWork.From(before), ImageWork.From(after));
        foreach (var ended in was.Where(work => open.All(other => other.Kind != work.Kind)))
            yield return Statement("delete from kuik.work where kind = $1 and image = $2", NameOf(ended.Kind), after.Image);
        foreach (var work in open.Where(work => !was.Contains(work)))
            if (work.Attempt == 0)
                yield return Open(work, after.Image, announcement);
            else
                yield return Claimed(work, after.Image);
    }

    /// <summary>Makes the table agree with a state, whatever its content: a writer of an earlier version did not change it.</summary>
    internal static IEnumerable<NpgsqlBatchCommand> Repair(ImageState state)
    {
        var open = ImageWork.From(state);
        yield return Statement("delete from kuik.work where image = $1 and not kind = any($2)",
            state.Image, open.Select(work => NameOf(work.Kind)).ToArray());
        foreach (var work in open)
            yield return work.Kind is WorkKind.Expire or WorkKind.ExpireAt
                ? Open(work, state.Image, TimeSpan.Zero)
                : Claimed(work, state.Image);
    }

    private static NpgsqlBatchCommand Open(ImageWork work, string image, TimeSpan announcement) => Statement("""
        insert into kuik.work (kind, image, wake_at, attempt)
        values ($1, $2, coalesce($3::timestamptz, case $1 when 'expire' then '-infinity' else now() + $4 end), 0)
        on conflict (image, kind) do update set wake_at = excluded.wake_at, attempt = 0, lease_until = null, leased_by = null
        """, NameOf(work.Kind), image, (object?)work.Due?.ToUniversalTime() ?? DBNull.Value, announcement);

    // The claim itself has written the row, with its lease by the database's clock.
    private static NpgsqlBatchCommand Claimed(ImageWork work, string image) => Statement("""
        insert into kuik.work (kind, image, wake_at, attempt)
        values ($1, $2, coalesce($3::timestamptz, case $1 when 'expire' then '-infinity' else now() end), $4)
        on conflict (image, kind) do nothing
        """, NameOf(work.Kind), image, (object?)work.Due?.ToUniversalTime() ?? DBNull.Value, work.Attempt);

    private static NpgsqlBatchCommand Statement(string sql, params object[] values)
    {
        var statement = new NpgsqlBatchCommand(sql);
        foreach (var value in values)
            statement.Parameters.Add(new() { Value = value });
        return statement;
    }

    private static async Task<int> Execute(NpgsqlConnection connection, string sql, object[] values, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        return await command.ExecuteNonQueryAsync(ct);
    }

    private static WorkKind KindOf(string name) => Enum.GetValues<WorkKind>().Single(kind => NameOf(kind) == name);

    /// <summary>A kind's name in the table and in metrics.</summary>
    public static string NameOf(WorkKind kind) => kind switch
    {
        WorkKind.Fetch => "fetch",
        WorkKind.Evict => "evict",
        WorkKind.Expire => "expire",
        WorkKind.ExpireAt => "expire-at",
        WorkKind.Verify => "verify",
        WorkKind.Refresh => "refresh",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "not a kind of work"),
    };
}
