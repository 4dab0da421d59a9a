using System.Runtime.CompilerServices;
using System.Text;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>
/// Reads events from Marten's table, archived ones included, in the order of the log and in pages: memory depends on the size of a page and
/// not on the size of the log. Types of newer versions are read as they are (<see cref="RecordedEvent.Fact"/> is null).
/// </summary>
/// <param name="connection">Open, and not used for anything else during the enumeration: the next page is read ahead. A transaction on it
/// with repeatable reads gives one consistent view of the log.</param>
public sealed class EventReader(NpgsqlConnection connection)
{
    /// <summary>Rows of a page, of about 1 kB each.</summary>
    internal const int PageSize = 2000;

    private const string Columns = "seq_id, id, stream_id, version, type, timestamp, data::text";

    private const string OriginColumns =
        "coalesce(is_archived, false), headers::text, causation_id, correlation_id, mt_dotnet_type";

    /// <summary>The events, oldest first.</summary>
    /// <exception cref="NpgsqlException">Postgres fails.</exception>
    public async IAsyncEnumerable<RecordedEvent> Read(EventQuery query, [EnumeratorCancellation] CancellationToken ct)
    {
        var next = ReadPage(query, query.After, ct);
        try
        {
            for (var count = PageSize; count == PageSize;)
            {
                var page = await next;
                count = page.Count;
                if (count == PageSize)
                    next = ReadPage(query, page[^1].Sequence, ct);
                foreach (var one in page)
                    yield return one;
            }
        }
        finally
        {
            // Left early: the connection is free again only after the page that was read ahead.
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The query of a page. Parameters: after, until, then those of the filters.</summary>
    internal static NpgsqlCommand CommandOf(EventQuery query, long after)
    {
        var command = new NpgsqlCommand { CommandTimeout = 600 };
        // Marten's tombstones of failed appends are no events.
        var sql = new StringBuilder($"select {Columns}{(query.WithOrigin ? ", " + OriginColumns : "")} from kuik.mt_events")
            .Append($" where seq_id > {Add(after)} and seq_id <= {Add(query.Until)} and type <> 'tombstone'");
        if (query.Streams is not null)
            sql.Append($" and stream_id = any({Add(query.Streams.ToArray())})");
        if (query.Types is not null)
            sql.Append($" and type = any({Add(query.Types.ToArray())})");
        if (query.OfImagesOnly)
            sql.Append(" and starts_with(stream_id, 'image/')");
        // Not "@> any(…)", which no GIN index answers.
        if (query.UsersOf is { } image)
            sql.Append($" and {EventIndexes.UserTypes} and ({EventIndexes.Images} @> {Add($"[{{\"image\":{Text(image)}}}]")}::text::jsonb")
                .Append($" or {EventIndexes.Images} @> {Add($"[{Text(image)}]")}::text::jsonb)");
        if (query.User is { } user)
            sql.Append($" and {EventIndexes.UserTypes} and {EventIndexes.UserName} = {Add($"{user.Namespace}/{user.Name}")}");
        command.CommandText = sql.Append($" order by seq_id limit {PageSize}").ToString();
        return command;

        string Add(object value)
        {
            command.Parameters.Add(new() { Value = value });
            return $"${command.Parameters.Count}";
        }
    }

    private async Task<List<RecordedEvent>> ReadPage(EventQuery query, long after, CancellationToken ct)
    {
        await using var command = CommandOf(query, after);
        command.Connection = connection;
        var page = new List<RecordedEvent>();
        await using var rows = await command.ExecuteReaderAsync(ct);
        while (await rows.ReadAsync(ct))
            page.Add(query.WithOrigin ? ReadOrigin(ReadRow(rows), rows) : ReadRow(rows));
        return page;
    }

    private static RecordedEvent ReadRow(NpgsqlDataReader row)
    {
        var (type, data) = (row.GetString(4), row.GetString(6));
        var (fact, problem) = FactReader.Read(type, data);
        return new RecordedEvent(
            row.GetInt64(0), row.GetGuid(1), row.GetString(2), row.GetInt64(3), type, row.GetFieldValue<DateTimeOffset>(5), data)
        {
            Fact = fact,
            Problem = problem,
        };
    }

    private static RecordedEvent ReadOrigin(RecordedEvent one, NpgsqlDataReader row) => one with
    {
        IsArchived = row.GetBoolean(7),
        Headers = TextOf(row, 8),
        CausationId = TextOf(row, 9),
        CorrelationId = TextOf(row, 10),
        RuntimeType = TextOf(row, 11),
    };

    private static string? TextOf(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private static string Text(string value) => System.Text.Json.JsonSerializer.Serialize(value);
}
