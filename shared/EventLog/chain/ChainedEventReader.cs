using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>Reads events as they are stored, with everything that the chain covers and without parsing any of it.</summary>
internal static class ChainedEventReader
{
    private const string Columns =
        "seq_id, id, stream_id, version, type, timestamp, data::text, headers::text, causation_id, correlation_id, mt_dotnet_type";

    internal const string PageQuery = $"""
        select {Columns} from kuik.mt_events where seq_id > $1 and seq_id <= $2 and type <> 'tombstone' order by seq_id limit $3
        """;

    internal const string StreamsQuery = $"""
        select {Columns} from kuik.mt_events where stream_id = any($1) and seq_id <= $2
        """;

    /// <summary>The next events, at most so many.</summary>
    public static Task<List<RecordedEvent>> ReadPage(
        NpgsqlConnection connection, long after, long until, int limit, CancellationToken ct) =>
        Read(connection, PageQuery, ct, after, until, limit);

    /// <summary>All events of these streams up to a place.</summary>
    public static Task<List<RecordedEvent>> ReadStreams(
        NpgsqlConnection connection, IEnumerable<string> streams, long until, CancellationToken ct) =>
        Read(connection, StreamsQuery, ct, streams.ToArray(), until);

    private static async Task<List<RecordedEvent>> Read(
        NpgsqlConnection connection, string sql, CancellationToken ct, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 600 };
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var events = new List<RecordedEvent>();
        while (await rows.ReadAsync(ct))
            events.Add(new RecordedEvent(
                rows.GetInt64(0), rows.GetGuid(1), rows.GetString(2), rows.GetInt64(3), rows.GetString(4),
                rows.GetFieldValue<DateTimeOffset>(5), rows.GetString(6))
            {
                Headers = TextOf(rows, 7),
                CausationId = TextOf(rows, 8),
                CorrelationId = TextOf(rows, 9),
                RuntimeType = TextOf(rows, 10),
            });
        return events;
    }

    private static string? TextOf(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);
}
