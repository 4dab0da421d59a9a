using System.Text.Json;
using Kuik.Contracts;
using Npgsql;
using NpgsqlTypes;
using Weasel.Postgresql.Tables;

namespace Kuik.EventLog;

/// <summary>
/// The snapshots of <see cref="ImageState"/>: one row an image, written in the transaction that appends to the image's stream. A snapshot
/// is the state at a version; events after it are read from the stream, and a snapshot of another fold version is not used at all. So a
/// writer of an earlier version, which does not know the table, makes a snapshot outdated, never wrong.
/// </summary>
public static class ImageStates
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter() },
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingDefault,
        IgnoreReadOnlyProperties = true,
    };

    internal const string ReadQuery = """
        select w.id, t.version, s.version, s.fold, s.state::text
        from unnest($1::text[]) as w(id)
        left join kuik.mt_streams t on t.id = w.id
        left join kuik.image_states s on s.image = substr(w.id, 7)
        """;

    internal const string PageQuery = """
        select page.image, not exists (select from kuik.image_users u where u.image = page.image)
        from (select image from kuik.image_states where can_become_unused and image > $1 order by image limit $2) as page
        order by page.image
        """;

    private const string WriteStatement = """
        insert into kuik.image_states (image, version, fold, state, can_become_unused)
        select * from unnest($1::text[], $2::bigint[], $3::int[], $4::jsonb[], $5::boolean[])
        on conflict (image) do update set version = excluded.version, fold = excluded.fold, state = excluded.state,
            can_become_unused = excluded.can_become_unused
        where image_states.version < excluded.version or image_states.fold <> excluded.fold
        """;

    /// <summary>A page of the images that become unused when no pod uses them, in the order of their names.</summary>
    /// <param name="postgres">The event log.</param>
    /// <param name="after">The last image of the previous page; empty for the first page.</param>
    /// <param name="size">The limit of images in a page.</param>
    /// <param name="ct">Cancels it.</param>
    /// <returns>The last image of the page, empty after the last page; and the page's images without users.</returns>
    public static async Task<(string Last, IReadOnlyList<string> Unused)> PageOfUnused(NpgsqlDataSource postgres, string after, int size,
        CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(PageQuery);
        command.Parameters.Add(new() { Value = after });
        command.Parameters.Add(new() { Value = size });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var (last, count, unused) = ("", 0, new List<string>());
        for (; await rows.ReadAsync(ct); count++)
        {
            last = rows.GetString(0);
            if (rows.GetBoolean(1))
                unused.Add(last);
        }
        return (count < size ? "" : last, unused);
    }

    /// <summary>The table, created by the migration together with Marten's own.</summary>
    internal static Table Table()
    {
        var table = new Table("kuik.image_states");
        table.AddColumn<string>("image").NotNull().AsPrimaryKey();
        table.AddColumn<long>("version").NotNull();
        table.AddColumn<int>("fold").NotNull();
        table.AddColumn("state", "jsonb").NotNull();
        table.AddColumn<bool>("can_become_unused").NotNull();
        table.Indexes.Add(new IndexDefinition("image_states_can_become_unused") { Columns = ["image"], Predicate = "can_become_unused" });
        return table;
    }

    /// <summary>The stored states of these streams.</summary>
    internal static async Task<IReadOnlyList<StoredState>> Read(NpgsqlConnection connection, IReadOnlyCollection<string> streams,
        CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(ReadQuery, connection) { Parameters = { new() { Value = streams.ToArray() } } };
        await using var rows = await command.ExecuteReaderAsync(ct);
        var stored = new List<StoredState>(streams.Count);
        while (await rows.ReadAsync(ct))
        {
            var isUsable = !rows.IsDBNull(3) && rows.GetInt32(3) == ImageState.FoldVersion;
            stored.Add(new StoredState(
                rows.GetString(0), rows.IsDBNull(1) ? 0 : rows.GetInt64(1), isUsable ? rows.GetInt64(2) : 0,
                isUsable ? JsonSerializer.Deserialize<ImageState>(rows.GetString(4), Json)! : ImageState.Initial));
        }
        return stored;
    }

    /// <summary>True when the stored state is this one.</summary>
    /// <param name="stored">As JSON.</param>
    /// <param name="state">The state by the log.</param>
    internal static bool HasState(string stored, ImageState state)
    {
        try
        {
            return JsonSerializer.Serialize(JsonSerializer.Deserialize<ImageState>(stored, Json), Json)
                == JsonSerializer.Serialize(state, Json);
        }
        catch (JsonException)
        {
            return false;   // no state at all
        }
    }

    /// <summary>Writes the snapshots of these images; an older one never replaces a newer one.</summary>
    internal static NpgsqlBatchCommand Write(IReadOnlyCollection<(ImageState State, long Version)> images) => new(WriteStatement)
    {
        Parameters =
        {
            new() { Value = images.Select(image => image.State.Image).ToArray() },
            new() { Value = images.Select(image => image.Version).ToArray() },
            new() { Value = images.Select(_ => ImageState.FoldVersion).ToArray() },
            new()
            {
                Value = images.Select(image => JsonSerializer.Serialize(image.State, Json)).ToArray(),
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Jsonb,
            },
            new() { Value = images.Select(image => image.State.CanBecomeUnused).ToArray() },
        },
    };
}
