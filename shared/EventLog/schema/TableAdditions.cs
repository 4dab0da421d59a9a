namespace Kuik.EventLog;

/// <summary>Parses the statements by which Weasel would update a table, and accepts only additions.</summary>
internal static class TableAdditions
{
    private static readonly string[] Accepted = ["create index", "create unique index"];

    /// <summary>The statements, one each; indexes are created concurrently, because the table exists and may be large.</summary>
    /// <param name="table">For the exception.</param>
    /// <param name="sql">Statements without function bodies.</param>
    /// <exception cref="SchemaMigrationRefusedException">A statement drops or changes something.</exception>
    public static IReadOnlyList<string> Read(string table, string sql) =>
        [.. sql.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(statement => ReadOne(table, statement))];

    private static string ReadOne(string table, string statement)
    {
        var text = string.Join(' ', statement.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        foreach (var creation in Accepted)
            if (text.StartsWith(creation + " ", StringComparison.OrdinalIgnoreCase))
                return text.StartsWith(creation + " concurrently ", StringComparison.OrdinalIgnoreCase)
                    ? text
                    : $"{creation} concurrently {text[(creation.Length + 1)..]}";
        if (text.StartsWith("alter table ", StringComparison.OrdinalIgnoreCase)
            && text.Contains(" add column ", StringComparison.OrdinalIgnoreCase)
            && !text.Contains(" drop ", StringComparison.OrdinalIgnoreCase))
            return text;
        throw new SchemaMigrationRefusedException(
            $"{table} is not what this version declares, and it would take more than an addition: {text}");
    }
}
