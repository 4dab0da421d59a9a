using Npgsql;
using NpgsqlTypes;
using Weasel.Postgresql.Tables;

namespace Kuik.EventLog;

/// <summary>The table <c>kuik.event_hashes</c>: one row an event, in the order of the log.</summary>
internal static class HashChain
{
    /// <summary>The number of events that one transaction appends.</summary>
    public const int PageSize = 1000;

    internal const string LockQuery = "select pg_try_advisory_xact_lock($1)";

    internal const string HeadQuery = "select seq_id, hash from kuik.event_hashes order by seq_id desc limit 1";

    private const string AppendStatement =
        "insert into kuik.event_hashes (seq_id, hash) select * from unnest($1::bigint[], $2::bytea[])";

    private const string KeepStatement = """
        update kuik.event_hashes h set content = c.content from unnest($1::bigint[], $2::bytea[]) as c(seq_id, content)
        where h.seq_id = c.seq_id
        """;

    /// <summary>The table, created by the migration together with Marten's own.</summary>
    public static Table Table()
    {
        var table = new Table("kuik.event_hashes");
        table.AddColumn<long>("seq_id").NotNull().AsPrimaryKey();
        table.AddColumn("hash", "bytea").NotNull();
        table.AddColumn("content", "bytea");   // of an event that retention has removed
        return table;
    }

    /// <summary>The last event in the chain, and its hash; 0 and the genesis hash for none.</summary>
    public static async Task<(long Sequence, byte[] Hash)> ReadHead(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(HeadQuery, connection);
        await using var row = await command.ExecuteReaderAsync(ct);
        return await row.ReadAsync(ct) ? (row.GetInt64(0), row.GetFieldValue<byte[]>(1)) : (0, EventHash.Genesis);
    }

    /// <summary>Appends the hashes of the next events, at most <see cref="PageSize"/>, in a transaction.</summary>
    /// <param name="connection">Open; without a transaction.</param>
    /// <param name="until">The last event; no transaction may be open that can append below it.</param>
    /// <param name="ct">Cancels it; nothing is appended then.</param>
    /// <returns>The number of hashes; 0 also while another process appends.</returns>
    public static async Task<int> AppendPage(NpgsqlConnection connection, long until, CancellationToken ct)
    {
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await using (var lockCommand = new NpgsqlCommand(LockQuery, connection)
        { Parameters = { new() { Value = AdvisoryLocks.KeyOf("hash-chain") } } })
            if (await lockCommand.ExecuteScalarAsync(ct) is not true)
                return 0;
        var count = await Append(connection, until, ct);
        await transaction.CommitAsync(ct);
        return count;
    }

    /// <summary>The same in the transaction that is open on the connection.</summary>
    internal static async Task<int> Append(NpgsqlConnection connection, long until, CancellationToken ct)
    {
        var (head, hash) = await ReadHead(connection, ct);
        var events = await ChainedEventReader.ReadPage(connection, head, until, PageSize, ct);
        var hashes = events.Select(one => hash = EventHash.Next(hash, EventHash.OfContent(one))).ToArray();
        if (events.Count > 0)
            await Write(connection, AppendStatement, [.. events.Select(one => one.Sequence)], hashes, ct);
        return events.Count;
    }

    /// <summary>Keeps the hashes of the contents of all events of these streams, in the transaction that removes them: the chain can be
    /// computed without them then.</summary>
    public static async Task KeepContents(NpgsqlConnection connection, IReadOnlyList<string> streams, CancellationToken ct)
    {
        var (head, _) = await ReadHead(connection, ct);
        var events = await ChainedEventReader.ReadStreams(connection, streams, head, ct);
        await Write(connection, KeepStatement, [.. events.Select(one => one.Sequence)], [.. events.Select(EventHash.OfContent)], ct);
    }

    private static async Task Write(NpgsqlConnection connection, string sql, long[] sequences, byte[][] hashes, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection)
        {
            Parameters =
            {
                new() { Value = sequences },
                new() { Value = hashes, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea },
            },
        };
        await command.ExecuteNonQueryAsync(ct);
    }
}
