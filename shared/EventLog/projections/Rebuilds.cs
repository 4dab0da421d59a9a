using Npgsql;
using Weasel.Postgresql.Tables;

namespace Kuik.EventLog;

/// <summary>The rebuilds of projections so far: a reader that keeps rows in memory reads them again when there is a new one.</summary>
public static class Rebuilds
{
    /// <summary>The number of the last rebuild; 0 for none.</summary>
    public const string LastQuery = "select coalesce(max(number), 0) from kuik.rebuilds";

    private const string AddStatement = """
        insert into kuik.rebuilds (number, sequence, finished_at, by)
        select coalesce(max(number), 0) + 1, $1, now(), $2 from kuik.rebuilds
        """;

    /// <summary>Records a rebuild, in the transaction of its changes.</summary>
    internal static async Task Add(NpgsqlConnection connection, long sequence, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(AddStatement, connection)
        {
            Parameters = { new() { Value = sequence }, new() { Value = WriterIdentity.Replica } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The table, created by the migration together with Marten's own.</summary>
    internal static Table Table()
    {
        var table = new Table("kuik.rebuilds");
        table.AddColumn<long>("number").NotNull().AsPrimaryKey();
        table.AddColumn<long>("sequence").NotNull();
        table.AddColumn<DateTimeOffset>("finished_at").NotNull();
        table.AddColumn<string>("by").NotNull();
        return table;
    }
}
