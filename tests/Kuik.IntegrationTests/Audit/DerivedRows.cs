using Npgsql;

namespace Kuik.IntegrationTests.Audit;

/// <summary>The rows that follow from the log, as text.</summary>
internal static class DerivedRows
{
    // Times and leases of work are scheduling, which does not follow from it.
    private const string Query = """
        select 'image_users ' || t::text from kuik.image_users t
        union all select 'running_digests ' || t::text from kuik.running_digests t
        union all select 'image_states ' || t::text from kuik.image_states t
        union all select 'repositories ' || t::text from kuik.repositories t
        union all select 'work ' || concat_ws(' ', image, kind, attempt) from kuik.work
        union all select 'view ' || id || data::text from kuik.mt_doc_image_view_3
        """;

    /// <summary>All rows, sorted.</summary>
    public static async Task<IReadOnlyList<string>> Read(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand(Query, connection);
        await using var rows = await command.ExecuteReaderAsync();
        var lines = new List<string>();
        while (await rows.ReadAsync())
            lines.Add(rows.GetString(0));
        return [.. lines.Order(StringComparer.Ordinal)];
    }
}
