using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// Walks through the log in its order and removes each ended stream at its last event, once that is old enough. The position is kept in
/// <see cref="LogRetentionTable"/>. docs/decisions/0026-retention.md.
/// </summary>
internal static class LogRetention
{
    /// <summary>The number of events that one transaction looks at.</summary>
    public const int PageSize = 1000;

    /// <summary>The name of the advisory lock that pauses the removal while a session shares it.</summary>
    public const string PauseLock = "log-retention";

    private const string BeginStatement = "set local lock_timeout = '5s'; set local statement_timeout = '60s'";

    // The last event stays: it says how far the log goes. The relay counts although it may stand still for long: what it has not published
    // would be published never.
    internal const string BoundsQuery = """
        select
            (select coalesce(max(seq_id), 0) - 1 from kuik.mt_events),
            (select coalesce(min(last_seq_id), 0) from kuik.mt_event_progression
                where not starts_with(name, 'HighWater') and (name like 'relay:%' or last_updated > now() - interval '7 days')),
            (select coalesce(max(seq_id), 0) from kuik.event_hashes),
            pg_try_advisory_xact_lock($1)
        """;

    // The age beyond the policy, in seconds. A tombstone of a failed append has no time.
    internal const string PageQuery = """
        select seq_id, stream_id, version, type,
            case when isfinite(timestamp) then extract(epoch from now() - $2 - timestamp)::float8 else 'infinity'::float8 end
        from kuik.mt_events where seq_id > $1 order by seq_id limit $3
        """;

    internal const string EndsQuery = """
        select s.id from unnest($1::text[], $2::bigint[]) as c(id, version)
        join kuik.mt_streams s on s.id = c.id and s.version = c.version
        """;

    // In the order in which appends lock them (EventLogTransaction), so that none waits for the other in a circle.
    internal const string LockQuery = EndsQuery + """
         order by s.id collate "C" for update of s
        """;

    internal const string UnneededQuery = """
        select w.image from unnest($1::text[]) as w(image)
        where not exists (select from kuik.image_users u where u.image = w.image)
            and not exists (select from kuik.work k where k.image = w.image)
        """;

    internal const string RemoveEvents = """
        with removed as (delete from kuik.mt_events where stream_id = any($1) returning seq_id, timestamp)
        select count(*), max(seq_id), max(timestamp) from removed
        """;

    private const string ViewTables = """
        select relname from pg_class
        where relnamespace = 'kuik'::regnamespace and relkind = 'r' and relname like 'mt\_doc\_image\_view\_%'
        """;

    /// <summary>Looks at the next events, and removes the streams that end among them.</summary>
    /// <param name="connection">Open; without a transaction.</param>
    /// <param name="options">With <see cref="LogRetentionOptions.RetainFor"/>.</param>
    /// <param name="ct">Cancels it; nothing is changed then.</param>
    /// <exception cref="NpgsqlException">Postgres fails, or an append has held the lock of a stream for 5 seconds. Nothing is
    /// changed.</exception>
    public static async Task<RetentionPage> RemovePage(NpgsqlConnection connection, LogRetentionOptions options, CancellationToken ct)
    {
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await Execute(connection, BeginStatement, ct);
        if (await LogRetentionTable.TryLock(connection, ct) is not { } known
            || await ReadBounds(connection, ct) is not { IsPaused: false } bounds)
            return RetentionPage.None;
        var (bound, reason) = bounds.Lowest(options, known.Exported);
        var page = await ReadPage(connection, known.Position, options.RetainFor!.Value, ct);
        var due = page.TakeWhile(one => one.Age > 0 && one.Sequence <= bound).ToList();
        var removed = await Remove(connection, await FindEnded(connection, due, ct), bounds.IsChained, ct);
        if (due.Count > 0)
            await LogRetentionTable.Advance(connection, due[^1].Sequence, removed, ct);
        await transaction.CommitAsync(ct);
        return page.Count > due.Count && page[due.Count] is { Age: > 0 } next
            ? new RetentionPage(removed, false, reason, TimeSpan.FromSeconds(Math.Min(next.Age, TimeSpan.MaxValue.TotalSeconds / 2)))
            : new RetentionPage(removed, due.Count == PageSize, null, TimeSpan.Zero);
    }

    private static async Task<RetentionBounds> ReadBounds(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(BoundsQuery, connection)
        {
            Parameters = { new() { Value = AdvisoryLocks.KeyOf(PauseLock) } },
        };
        await using var row = await command.ExecuteReaderAsync(ct);
        await row.ReadAsync(ct);
        return new RetentionBounds(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), IsPaused: !row.GetBoolean(3));
    }

    private static async Task<List<Step>> ReadPage(NpgsqlConnection connection, long after, TimeSpan age, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(PageQuery, connection)
        {
            Parameters = { new() { Value = after }, new() { Value = age }, new() { Value = PageSize } },
        };
        await using var rows = await command.ExecuteReaderAsync(ct);
        var page = new List<Step>();
        while (await rows.ReadAsync(ct))
            page.Add(new Step(rows.GetInt64(0), rows.GetString(1), rows.GetInt64(2), rows.GetString(3), rows.GetDouble(4)));
        return page;
    }

    /// <summary>The streams that end among these events. Their rows are locked.</summary>
    private static async Task<IReadOnlyList<string>> FindEnded(NpgsqlConnection connection, IEnumerable<Step> due, CancellationToken ct)
    {
        var last = due.Where(one => RemovableStreams.MayEnd(one.Stream, one.Type)).GroupBy(one => one.Stream)
            .ToDictionary(stream => stream.Key, stream => stream.Max(one => one.Version));
        var ends = await FindEnds(connection, EndsQuery, last, last.Keys, ct);
        var images = ends.Where(RemovableStreams.IsOfImage).ToHashSet();
        var ended = ends.Where(stream => !images.Contains(stream)).Concat(await FindEndedImages(connection, images, ct)).ToList();
        var locked = await FindEnds(connection, LockQuery, last, ended, ct);
        // Decided again under the locks: an append, or a use that is recorded with one, is either before them or after the removal.
        var gone = (await FindEndedImages(connection, [.. locked.Where(images.Contains)], ct)).ToHashSet();
        return [.. locked.Where(stream => !images.Contains(stream) || gone.Contains(stream))];
    }

    private static async Task<IReadOnlyList<string>> FindEnds(
        NpgsqlConnection connection, string query, Dictionary<string, long> last, IReadOnlyCollection<string> streams, CancellationToken ct)
    {
        if (streams.Count == 0)
            return [];
        await using var command = new NpgsqlCommand(query, connection)
        {
            Parameters = { new() { Value = streams.ToArray() }, new() { Value = streams.Select(stream => last[stream]).ToArray() } },
        };
        return await ReadTexts(command, ct);
    }

    private static async Task<IEnumerable<string>> FindEndedImages(
        NpgsqlConnection connection, HashSet<string> streams, CancellationToken ct)
    {
        if (streams.Count == 0)
            return [];
        var ended = (await ImageStates.Read(connection, streams, ct))
            .Where(stored => stored.Version == stored.StreamVersion && RemovableStreams.HasEnded(stored.State));
        await using var command = new NpgsqlCommand(UnneededQuery, connection)
        {
            Parameters = { new() { Value = ended.Select(stored => StreamName.ImageOf(stored.Stream)).ToArray() } },
        };
        return (await ReadTexts(command, ct)).Select(StreamName.OfImage);
    }

    private static async Task<RemovedStreams> Remove(
        NpgsqlConnection connection, IReadOnlyList<string> streams, bool isChained, CancellationToken ct)
    {
        if (streams.Count == 0)
            return RemovedStreams.None;
        if (isChained)
            await HashChain.KeepContents(connection, streams, ct);
        RemovedStreams removed;
        await using (var command = new NpgsqlCommand(RemoveEvents, connection) { Parameters = { new() { Value = streams.ToArray() } } })
        await using (var row = await command.ExecuteReaderAsync(ct))
        {
            await row.ReadAsync(ct);
            removed = new RemovedStreams(streams.Count, row.GetInt64(0), row.GetInt64(1), row.GetDateTime(2));
        }
        await Execute(connection, "delete from kuik.mt_streams where id = any($1)", ct, streams.ToArray());
        string[] images = [.. streams.Where(RemovableStreams.IsOfImage)];
        if (images.Length > 0)
        {
            var references = images.Select(StreamName.ImageOf).ToArray();
            await Execute(connection, "delete from kuik.image_states where image = any($1)", ct, references);
            await Execute(connection, "delete from kuik.image_pulls where image = any($1)", ct, references);
            await using var tables = new NpgsqlCommand(ViewTables, connection);
            foreach (var table in await ReadTexts(tables, ct))   // those of earlier versions are left behind in the schema
                await Execute(connection, $"delete from kuik.{table} where id = any($1)", ct, images);
        }
        return removed;
    }

    private static async Task<IReadOnlyList<string>> ReadTexts(NpgsqlCommand command, CancellationToken ct)
    {
        await using var rows = await command.ExecuteReaderAsync(ct);
        var texts = new List<string>();
        while (await rows.ReadAsync(ct))
            texts.Add(rows.GetString(0));
        return texts;
    }

    private static async Task Execute(NpgsqlConnection connection, string sql, CancellationToken ct, params string[][] values)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        await command.ExecuteNonQueryAsync(ct);
    }

    private sealed record Step(long Sequence, string Stream, long Version, string Type, double Age);
}
