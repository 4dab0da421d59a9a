using Npgsql;
using NpgsqlTypes;

namespace Kuik.EventLog.Audit;

/// <summary>
/// Fills an empty event log with exported events, in one transaction, together with what is changed in the transactions of events: usage
/// table, snapshots and work. Projections follow when the services start: they begin with the first event.
/// </summary>
public static class EventImport
{
    private const int PageSize = 500;

    private const string IncompleteStreams = """
        select count(*) from (
            select from imported_events group by stream_id having min(version) > 1 or count(*) <> max(version)) s
        """;

    private const string Streams = """
        insert into kuik.mt_streams (id, version, timestamp, created, is_archived)
        select stream_id, max(version), max(timestamp), min(timestamp), bool_or(is_archived) from imported_events group by stream_id;
        """;

    private const string Events = """
        insert into kuik.mt_events
            (seq_id, id, stream_id, version, data, type, timestamp, mt_dotnet_type, correlation_id, causation_id, headers, is_archived)
        select seq_id, id, stream_id, version, data, type, timestamp, mt_dotnet_type, correlation_id, causation_id, headers, is_archived
        from imported_events order by seq_id;
        """;

    // The daemon would otherwise look at every gap in the sequence for itself, and there is no transaction that could fill one.
    private const string Positions = """
        select setval('kuik.mt_events_sequence', max(seq_id)) from kuik.mt_events having max(seq_id) is not null;
        insert into kuik.mt_event_progression (name, last_seq_id) select 'HighWaterMark', max(seq_id) from kuik.mt_events
        having max(seq_id) is not null;
        """;

    /// <summary>Imports the events.</summary>
    /// <param name="connection">Open; without a transaction.</param>
    /// <param name="events">In the order of the log, from its first event.</param>
    /// <param name="progress">Gets the number of events so far; null for none.</param>
    /// <param name="ct">Cancels it; nothing is imported then.</param>
    /// <returns>The number of events.</returns>
    /// <exception cref="EventImportRefusedException">The log has events, or a stream's first events are not among these.</exception>
    /// <exception cref="NpgsqlException">Postgres fails. Nothing is imported.</exception>
    public static async Task<long> Run(
        NpgsqlConnection connection, IAsyncEnumerable<RecordedEvent> events, IProgress<long>? progress, CancellationToken ct)
    {
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await Execute(connection, "lock table kuik.mt_events, kuik.mt_streams in share row exclusive mode", ct);
        if (await Ask(connection, "select count(*) from (select from kuik.mt_events limit 1) e", ct) > 0)
            throw new EventImportRefusedException("the event log is not empty: import into a new database with pod-watcher migrate");
        await Execute(connection, "create temporary table imported_events (like kuik.mt_events) on commit drop", ct);
        var horizon = LogHorizon.None;
        var state = await Copy(connection, events, one => horizon = one.Horizon ?? horizon, progress, ct);
        if (await Ask(connection, IncompleteStreams, ct) is > 0 and var incomplete)
            throw new EventImportRefusedException(
                $"{incomplete} streams lack events: an import needs an export of the whole log from its first event");
        await Execute(connection, Streams + Events + Positions, ct);
        await LogRetentionTable.TakeOver(connection, horizon, ct);
        await WriteUsers(connection, state.Users.Values, ct);
        await Execute(connection, RunningDigests.RebuildSql, ct);
        await WriteImages(connection, state.Images.Values, ct);
        await transaction.CommitAsync(ct);
        return state.Events;
    }

    private static async Task<ReplayedState> Copy(
        NpgsqlConnection connection, IAsyncEnumerable<RecordedEvent> events, Action<RecordedEvent> look, IProgress<long>? progress,
        CancellationToken ct)
    {
        var state = new ReplayedState();
        await using var copy = await connection.BeginBinaryImportAsync("""
            copy imported_events (seq_id, id, stream_id, version, data, type, timestamp, mt_dotnet_type, correlation_id, causation_id,
                headers, is_archived) from stdin (format binary)
            """, ct);
        await foreach (var one in events.WithCancellation(ct))
        {
            await copy.StartRowAsync(ct);
            await copy.WriteAsync(one.Sequence, NpgsqlDbType.Bigint, ct);
            await copy.WriteAsync(one.Id, NpgsqlDbType.Uuid, ct);
            await copy.WriteAsync(one.Stream, NpgsqlDbType.Varchar, ct);
            await copy.WriteAsync(one.Version, NpgsqlDbType.Bigint, ct);
            await copy.WriteAsync(one.Data, NpgsqlDbType.Jsonb, ct);
            await copy.WriteAsync(one.Type, NpgsqlDbType.Varchar, ct);
            await copy.WriteAsync(one.RecordedAt.ToUniversalTime(), NpgsqlDbType.TimestampTz, ct);
            await Write(copy, one.RuntimeType, NpgsqlDbType.Varchar, ct);
            await Write(copy, one.CorrelationId, NpgsqlDbType.Varchar, ct);
            await Write(copy, one.CausationId, NpgsqlDbType.Varchar, ct);
            await Write(copy, one.Headers, NpgsqlDbType.Jsonb, ct);
            await copy.WriteAsync(one.IsArchived, NpgsqlDbType.Boolean, ct);
            state.Apply(one);
            look(one);
            progress?.Report(state.Events);
        }
        await copy.CompleteAsync(ct);
        return state;
    }

    /// <summary>Adds the rows of these users to the usage table.</summary>
    internal static async Task WriteUsers(NpgsqlConnection connection, IEnumerable<UserRecord> users, CancellationToken ct)
    {
        await using var copy = await connection.BeginBinaryImportAsync(
            "copy kuik.image_users (image, pod_uid, namespace, pod_name, pull_secrets) from stdin (format binary)", ct);
        foreach (var (user, image) in users.SelectMany(user => user.References.Select(image => (user, image))))
        {
            await copy.StartRowAsync(ct);
            await copy.WriteAsync(image, ct);
            await copy.WriteAsync(user.Key, ct);
            await copy.WriteAsync(user.Namespace, ct);
            await copy.WriteAsync(user.Name, ct);
            await copy.WriteAsync(user.PullSecrets.ToArray(), ct);
        }
        await copy.CompleteAsync(ct);
    }

    private static async Task WriteImages(NpgsqlConnection connection, IEnumerable<ImageRecord> images, CancellationToken ct)
    {
        // The snapshot of an image with events of a newer version would be wrong; that version makes it.
        foreach (var page in images.Where(image => image.Unreadable == 0 && image.State.Image.Length > 0).Chunk(PageSize))
        {
            await using var batch = new NpgsqlBatch(connection);
            batch.BatchCommands.Add(ImageStates.Write([.. page.Select(image => (image.State, image.Version))]));
            foreach (var work in page.SelectMany(image => WorkTable.Repair(image.State)))
                batch.BatchCommands.Add(work);
            await batch.ExecuteNonQueryAsync(ct);
        }
    }

    private static Task Write(NpgsqlBinaryImporter copy, string? value, NpgsqlDbType type, CancellationToken ct) =>
        value is null ? copy.WriteNullAsync(ct) : copy.WriteAsync(value, type, ct);

    private static async Task Execute(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(ct);
    }

    private static async Task<long> Ask(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }
}
