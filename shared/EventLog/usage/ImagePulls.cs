using System.Runtime.CompilerServices;
using Npgsql;
using Weasel.Postgresql.Tables;

namespace Kuik.EventLog;

/// <summary>
/// The number of pulls of each image, as node-proxies report it: one row for each image, beside the log, because a pull is no event. It is
/// as good as the reports: a lost one is not missed.
/// </summary>
public static class ImagePulls
{
    /// <summary>Adds a report. Parameters: images, counts, times of the last pulls, the node. Images without a stream are left out; rows
    /// are locked in one order.</summary>
    internal const string AddQuery = """
        insert into kuik.image_pulls (image, pulls, last_at, last_node, reported_at)
        select told.image, sum(told.pulls), least(max(told.last_at), now()), $4, now()
        from unnest($1::text[], $2::bigint[], $3::timestamptz[]) as told (image, pulls, last_at)
        cross join lateral (select from kuik.mt_streams where id = 'image/' || told.image limit 1) as known
        group by told.image order by told.image
        on conflict (image) do update set pulls = image_pulls.pulls + excluded.pulls, reported_at = excluded.reported_at,
            last_node = case when excluded.last_at > image_pulls.last_at then excluded.last_node else image_pulls.last_node end,
            last_at = greatest(image_pulls.last_at, excluded.last_at)
        returning image
        """;

    internal const string PageQuery = """
        select image, pulls, last_at, reported_at from kuik.image_pulls
        where (reported_at, image) > ($1, $2) order by reported_at, image limit $3
        """;

    private const int PageSize = 1000;

    /// <summary>Adds a node's report.</summary>
    /// <param name="postgres">The event log.</param>
    /// <param name="node">The node's name.</param>
    /// <param name="pulls">Normalised references with the number of pulls and the time of the last one (UTC).</param>
    /// <param name="ct">Cancels it.</param>
    /// <returns>The images that the log knows.</returns>
    /// <exception cref="NpgsqlException">Postgres fails.</exception>
    public static async Task<IReadOnlyList<string>> Add(
        NpgsqlDataSource postgres, string node, IReadOnlyCollection<(string Image, long Count, DateTimeOffset LastAt)> pulls,
        CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(AddQuery);
        command.Parameters.Add(new() { Value = pulls.Select(one => one.Image).ToArray() });
        command.Parameters.Add(new() { Value = pulls.Select(one => one.Count).ToArray() });
        command.Parameters.Add(new() { Value = pulls.Select(one => one.LastAt.ToUniversalTime()).ToArray() });
        command.Parameters.Add(new() { Value = node });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var known = new List<string>();
        while (await rows.ReadAsync(ct))
            known.Add(rows.GetString(0));
        return known;
    }

    /// <summary>The images of which pulls were reported after a time, in the order of these reports.</summary>
    /// <param name="postgres">The event log.</param>
    /// <param name="after">UTC, by the database's clock.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="NpgsqlException">Postgres fails.</exception>
    public static async IAsyncEnumerable<ImagePullCount> ReportedAfter(
        NpgsqlDataSource postgres, DateTimeOffset after, [EnumeratorCancellation] CancellationToken ct)
    {
        var last = (At: after, Image: "");
        while (true)
        {
            var page = await ReadPage(postgres, last, ct);
            foreach (var one in page)
                yield return one;
            if (page.Count < PageSize)
                yield break;
            last = (page[^1].ReportedAt, page[^1].Image);
        }
    }

    /// <summary>The pulls of an image; null when none were reported.</summary>
    public static async Task<ImagePullCount?> Find(NpgsqlConnection connection, string image, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            "select image, pulls, last_at, reported_at from kuik.image_pulls where image = $1", connection)
        { Parameters = { new() { Value = image } } };
        await using var rows = await command.ExecuteReaderAsync(ct);
        return await rows.ReadAsync(ct) ? Read(rows) : null;
    }

    /// <summary>Removes the row of an image that has left the cache.</summary>
    public static async Task Forget(NpgsqlConnection connection, string image, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("delete from kuik.image_pulls where image = $1", connection)
        { Parameters = { new() { Value = image } } };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The table, for Marten to create with its own.</summary>
    internal static Table Table()
    {
        var table = new Table("kuik.image_pulls");
        table.AddColumn<string>("image").NotNull().AsPrimaryKey();
        table.AddColumn<long>("pulls").NotNull();
        table.AddColumn<DateTimeOffset>("last_at").NotNull();
        table.AddColumn<string>("last_node").NotNull();
        table.AddColumn<DateTimeOffset>("reported_at").NotNull();
        table.Indexes.Add(new IndexDefinition("image_pulls_reported_at") { Columns = ["reported_at", "image"] });
        return table;
    }

    private static async Task<IReadOnlyList<ImagePullCount>> ReadPage(
        NpgsqlDataSource postgres, (DateTimeOffset At, string Image) last, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(PageQuery);
        command.Parameters.Add(new() { Value = last.At });
        command.Parameters.Add(new() { Value = last.Image });
        command.Parameters.Add(new() { Value = PageSize });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var page = new List<ImagePullCount>();
        while (await rows.ReadAsync(ct))
            page.Add(Read(rows));
        return page;
    }

    private static ImagePullCount Read(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetInt64(1), row.GetFieldValue<DateTimeOffset>(2), row.GetFieldValue<DateTimeOffset>(3));
}
