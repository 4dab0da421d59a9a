using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Statements that the parts of a rebuild have in common.</summary>
internal static class RebuiltRows
{
    /// <summary>The rows of a query, of these keys or all.</summary>
    /// <param name="connection">Open.</param>
    /// <param name="query">Without a condition.</param>
    /// <param name="column">The column of the key.</param>
    /// <param name="keys">Null for all.</param>
    /// <param name="ct">Cancels it.</param>
    public static async Task<NpgsqlDataReader> Read(
        NpgsqlConnection connection, string query, string column, IReadOnlyCollection<string>? keys, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(keys is null ? query : $"{query} where {column} = any($1)", connection)
        {
            CommandTimeout = 0,
        };
        if (keys is not null)
            command.Parameters.Add(new() { Value = keys.ToArray() });
        return await command.ExecuteReaderAsync(ct);
    }

    /// <summary>Deletes the rows of these keys.</summary>
    public static async Task Delete(
        NpgsqlConnection connection, string table, string column, IEnumerable<string> keys, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"delete from {table} where {column} = any($1)", connection)
        {
            Parameters = { new() { Value = keys.ToArray() } },
            CommandTimeout = 0,
        };
        await command.ExecuteNonQueryAsync(ct);
    }
}
