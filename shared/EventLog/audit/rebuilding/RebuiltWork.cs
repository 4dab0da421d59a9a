using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>The open work on images, by image. Its times and leases are scheduling and stay as they are, where the work is open.</summary>
internal sealed class RebuiltWork : IRebuiltPart
{
    private const int PageSize = 500;

    private const string Query = "select image, kind, attempt from kuik.work";

    /// <inheritdoc/>
    public string Name => "work";

    /// <inheritdoc/>
    public IReadOnlyList<string> Tables { get; } = ["kuik.work"];

    /// <inheritdoc/>
    public HashSet<string> KeysOf(TouchedKeys touched) => touched.Images;

    /// <inheritdoc/>
    public async Task<IReadOnlyCollection<string>> FindDifferent(
        NpgsqlConnection connection, FoldedLog log, IReadOnlyCollection<string>? keys, CancellationToken ct)
    {
        var (different, found) = (new HashSet<string>(), new Dictionary<string, int>());
        await using (var rows = await RebuiltRows.Read(connection, Query, "image", keys, ct))
            while (await rows.ReadAsync(ct))
            {
                var image = rows.GetString(0);
                if (!log.IsReadable(image))
                    continue;
                if (IsOpen(log, image, rows.GetString(1), rows.GetInt64(2)))
                    found[image] = found.GetValueOrDefault(image) + 1;
                else
                    different.Add(image);
            }
        different.UnionWith((keys ?? [.. log.State.Images.Keys]).Where(image =>
            log.State.Images.GetValueOrDefault(image) is { Unreadable: 0 } && OpenOn(log, image).Count != found.GetValueOrDefault(image)));
        return different;
    }

    /// <inheritdoc/>
    public async Task<int> Replace(NpgsqlConnection connection, FoldedLog log, IReadOnlyCollection<string> keys, CancellationToken ct)
    {
        var wrong = new List<(string Image, string Kind)>();
        await using (var rows = await RebuiltRows.Read(connection, Query, "image", keys, ct))
            while (await rows.ReadAsync(ct))
                if (!IsOpen(log, rows.GetString(0), rows.GetString(1), rows.GetInt64(2)))
                    wrong.Add((rows.GetString(0), rows.GetString(1)));
        await using (var delete = new NpgsqlCommand("""
            delete from kuik.work using unnest($1::text[], $2::text[]) as wrong (image, kind)
            where work.image = wrong.image and work.kind = wrong.kind
            """, connection)
        {
            Parameters =
            {
                new() { Value = wrong.Select(one => one.Image).ToArray() }, new() { Value = wrong.Select(one => one.Kind).ToArray() },
            },
            CommandTimeout = 0,
        })
            await delete.ExecuteNonQueryAsync(ct);
        foreach (var page in keys.Where(log.State.Images.ContainsKey).Select(image => log.State.Images[image].State).Chunk(PageSize))
        {
            await using var batch = new NpgsqlBatch(connection);
            foreach (var statement in page.Where(state => state.Image.Length > 0).SelectMany(WorkTable.Repair))
                batch.BatchCommands.Add(statement);
            if (batch.BatchCommands.Count > 0)
                await batch.ExecuteNonQueryAsync(ct);
        }
        return keys.Count;
    }

    private static IReadOnlyList<ImageWork> OpenOn(FoldedLog log, string image) =>
        log.State.Images.GetValueOrDefault(image) is { } record ? ImageWork.From(record.State) : [];

    // A claim on a verification or a refresh is no event.
    private static bool IsOpen(FoldedLog log, string image, string kind, long attempt) =>
        OpenOn(log, image).Any(work =>
            WorkTable.NameOf(work.Kind) == kind && (work.Attempt == attempt || kind is not ("fetch" or "evict")));
}
