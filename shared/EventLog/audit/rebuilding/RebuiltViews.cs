using System.Text.Json;
using Kuik.Contracts;
using Npgsql;
using NpgsqlTypes;

namespace Kuik.EventLog.Audit;

/// <summary>
/// pod-watcher's views of images, by image. With the first wrong one the projection's position moves to the end of the log: a page that
/// pod-watcher is about to write, from the views before, then does not meet the position that it began at, and is projected again.
/// </summary>
internal sealed class RebuiltViews : IRebuiltPart
{
    /// <summary>Views that are written by one statement: of all of them, their texts alone would be half of the memory.</summary>
    private const int PageSize = 500;

    private const string Table = $"kuik.mt_doc_{ImageView.DocumentAlias}";
    private const string Shard = $"{ImageView.ProjectionName}:All";

    private const string WriteStatement = $"""
        insert into {Table} (id, data, mt_version, mt_dotnet_type, mt_last_modified)
        select id, data, version, $4, transaction_timestamp()
        from unnest($1::text[], $2::jsonb[], $3::bigint[]) as views (id, data, version)
        """;

    /// <inheritdoc/>
    public string Name => "view";

    /// <inheritdoc/>
    public IReadOnlyList<string> Tables { get; } = [Table, "kuik.mt_event_progression"];

    /// <summary>True when pod-watcher of this version has projected views.</summary>
    public static async Task<bool> IsProjected(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"""
            select to_regclass('{Table}') is not null
                and exists (select from kuik.mt_event_progression where name = '{Shard}')
            """, connection);
        return await command.ExecuteScalarAsync(ct) is true;
    }

    /// <inheritdoc/>
    public HashSet<string> KeysOf(TouchedKeys touched) => touched.Images;

    /// <inheritdoc/>
    public async Task<IReadOnlyCollection<string>> FindDifferent(
        NpgsqlConnection connection, FoldedLog log, IReadOnlyCollection<string>? keys, CancellationToken ct)
    {
        var (different, found) = (new HashSet<string>(), new HashSet<string>());
        var ids = keys?.Select(StreamName.OfImage).ToList();
        await using (var rows = await RebuiltRows.Read(connection, $"select id, data::text from {Table}", "id", ids, ct))
            while (await rows.ReadAsync(ct))
            {
                var image = StreamName.ImageOf(rows.GetString(0));
                found.Add(image);
                if (log.IsReadable(image) && (log.Views.GetValueOrDefault(image) is not { } view || !IsRight(rows.GetString(1), view)))
                    different.Add(image);
            }
        different.UnionWith((keys ?? [.. log.Views.Keys]).Where(image =>
            !found.Contains(image) && log.Views.ContainsKey(image) && log.IsReadable(image)));
        return different;
    }

    /// <inheritdoc/>
    public async Task<int> Replace(NpgsqlConnection connection, FoldedLog log, IReadOnlyCollection<string> keys, CancellationToken ct)
    {
        var position = await MovePosition(connection, log.State.Sequence, ct);
        await RebuiltRows.Delete(connection, Table, "id", keys.Select(StreamName.OfImage), ct);
        foreach (var page in keys.Select(image => log.Views.GetValueOrDefault(image)).OfType<ImageView>().Chunk(PageSize))
            await Write(connection, log, page, ct);
        // Views that were only behind, as the projection was, were not wrong.
        return keys.Count(image => log.State.Images.GetValueOrDefault(image) is not { } record || record.Sequence <= position);
    }

    private static async Task Write(NpgsqlConnection connection, FoldedLog log, ImageView[] views, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(WriteStatement, connection)
        {
            Parameters =
            {
                new() { Value = views.Select(view => view.Id).ToArray() },
                new()
                {
                    Value = views.Select(view => JsonSerializer.Serialize(view, FactReader.Json)).ToArray(),
                    NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Jsonb,
                },
                new() { Value = views.Select(view => log.State.Images[view.Image].Version).ToArray() },
                new() { Value = typeof(ImageView).FullName! },
            },
            CommandTimeout = 0,
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    private static bool IsRight(string stored, ImageView view)
    {
        try
        {
            return JsonSerializer.Serialize(JsonSerializer.Deserialize<ImageView>(stored, FactReader.Json), FactReader.Json)
                == JsonSerializer.Serialize(view, FactReader.Json);
        }
        catch (JsonException)
        {
            return false;   // no view at all
        }
    }

    private static async Task<long> MovePosition(NpgsqlConnection connection, long end, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"""
            update kuik.mt_event_progression p set last_seq_id = greatest($1, p.last_seq_id), last_updated = transaction_timestamp()
            from (select name, last_seq_id from kuik.mt_event_progression where name = '{Shard}') before
            where p.name = before.name returning before.last_seq_id
            """, connection) { Parameters = { new() { Value = end } } };
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }
}
