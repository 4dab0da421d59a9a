using System.Runtime.CompilerServices;
using System.Text;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>
/// Reads events from Marten's table, archived ones included, in the order of the log, in pages or as a stream: memory does not depend on
/// the size of the log. Types of newer versions are read as they are (<see cref="RecordedEvent.Fact"/> is null).
/// </summary>
/// <param name="connection">Open, and not used for anything else during the enumeration: the next page is read ahead. A transaction on it
/// with repeatable reads gives one consistent view of the log.</param>
public sealed class EventReader(NpgsqlConnection connection)
{
    /// <summary>Rows of a page, of about 1 kB each.</summary>
    internal const int PageSize = 2000;

    private const string FoldedColumns = "seq_id, stream_id, version, type, timestamp, data";

    private const string Columns = FoldedColumns
        + "::text, id, coalesce(is_archived, false), headers::text, causation_id, correlation_id, mt_dotnet_type";

    /// <summary>The events, oldest first.</summary>
    /// <exception cref="NpgsqlException">Postgres fails.</exception>
    public IAsyncEnumerable<RecordedEvent> Read(EventQuery query, CancellationToken ct) =>
        IsStreamed(query) ? Stream(query, ct) : ReadPages(query, ct);

    // One statement: Postgres makes the next rows while these are folded. All that is not needed is left out.
    private async IAsyncEnumerable<RecordedEvent> Stream(EventQuery query, [EnumeratorCancellation] CancellationToken ct)
    {
        await using var command = CommandOf(query, query.After);
        command.Connection = connection;
        await using var rows = await command.ExecuteReaderAsync(ct);
        var isOver = false;
        try
        {
            while (await rows.ReadAsync(ct))
                yield return query.ForFold ? ReadFolded(rows) : ReadRow(rows);
            isOver = true;
        }
        finally
        {
            if (!isOver)
                command.Cancel();   // else the rest would be read and dropped
        }
    }

    private async IAsyncEnumerable<RecordedEvent> ReadPages(EventQuery query, [EnumeratorCancellation] CancellationToken ct)
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
        var sql = new StringBuilder($"select {(query.ForFold ? FoldedColumns : Columns)} from kuik.mt_events")
            .Append($" where seq_id > {Add(after)} and seq_id <= {Add(query.Until)} and type <> 'tombstone'");
        if (query.Streams is not null)
            sql.Append($" and stream_id = any({Add(query.Streams.ToArray())})");
        if (query.Types is not null)
            sql.Append($" and type = any({Add(query.Types.ToArray())})");
        if (query.OfImagesOnly)
            sql.Append(" and starts_with(stream_id, 'image/')");
        // By their numbers, or the planner, which takes every image for one of a hundred, would read the log in its order instead of the
        // index. Not "@> any(…)", which no GIN index answers.
        if (query.UsersOf is { } image)
            sql.Append($" and seq_id = any(array(select seq_id from kuik.mt_events where {EventIndexes.UserTypes} and (")
                .Append($"{EventIndexes.Images} @> {Add($"[{{\"image\":{Text(image)}}}]")}::text::jsonb")
                .Append($" or {EventIndexes.Images} @> {Add($"[{Text(image)}]")}::text::jsonb)))");
        if (query.User is { } user)
            sql.Append($" and {EventIndexes.UserTypes} and {EventIndexes.UserName} = {Add($"{user.Namespace}/{user.Name}")}");
        command.CommandText = sql.Append(IsStreamed(query) ? " order by seq_id" : $" order by seq_id limit {PageSize}").ToString();
        return command;

        string Add(object value)
        {
            command.Parameters.Add(new() { Value = value });
            return $"${command.Parameters.Count}";
        }
    }

    // The numbers of the events that name an image are found once, not for each page.
    private static bool IsStreamed(EventQuery query) => query.ForFold || query.UsersOf is not null;

    private async Task<List<RecordedEvent>> ReadPage(EventQuery query, long after, CancellationToken ct)
    {
        await using var command = CommandOf(query, after);
        command.Connection = connection;
        var page = new List<RecordedEvent>();
        await using var rows = await command.ExecuteReaderAsync(ct);
        while (await rows.ReadAsync(ct))
            page.Add(ReadRow(rows));
        return page;
    }

    private static RecordedEvent ReadRow(NpgsqlDataReader row)
    {
        var (type, data) = (row.GetString(3), row.GetString(5));
        var (fact, problem) = FactReader.Read(type, data);
        return new RecordedEvent(
            row.GetInt64(0), row.GetGuid(6), row.GetString(1), row.GetInt64(2), type, row.GetFieldValue<DateTimeOffset>(4), data)
        {
            Fact = fact,
            Problem = problem,
            IsArchived = row.GetBoolean(7),
            Headers = TextOf(row, 8),
            CausationId = TextOf(row, 9),
            CorrelationId = TextOf(row, 10),
            RuntimeType = TextOf(row, 11),
        };
    }

    private static RecordedEvent ReadFolded(NpgsqlDataReader row)
    {
        var type = row.GetString(3);
        var (fact, problem) = FactReader.Read(type, row.GetFieldValue<byte[]>(5));
        return new RecordedEvent(
            row.GetInt64(0), Guid.Empty, row.GetString(1), row.GetInt64(2), type, row.GetFieldValue<DateTimeOffset>(4), "")
        {
            Fact = fact,
            Problem = problem,
        };
    }

    private static string? TextOf(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private static string Text(string value) => System.Text.Json.JsonSerializer.Serialize(value);
}
