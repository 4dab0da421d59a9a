using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>The snapshots of images, by image.</summary>
internal sealed class RebuiltSnapshots : IRebuiltPart
{
    private const int PageSize = 500;

    private const string Query = "select image, version, fold, state::text, can_become_unused from kuik.image_states";

    /// <inheritdoc/>
    public string Name => "snapshot";

    /// <inheritdoc/>
    public IReadOnlyList<string> Tables { get; } = ["kuik.image_states"];

    /// <inheritdoc/>
    public HashSet<string> KeysOf(TouchedKeys touched) => touched.Images;

    /// <inheritdoc/>
    public async Task<IReadOnlyCollection<string>> FindDifferent(
        NpgsqlConnection connection, FoldedLog log, IReadOnlyCollection<string>? keys, CancellationToken ct)
    {
        var (different, found) = (new HashSet<string>(), new HashSet<string>());
        await using (var rows = await RebuiltRows.Read(connection, Query, "image", keys, ct))
            while (await rows.ReadAsync(ct))
            {
                var image = rows.GetString(0);
                found.Add(image);
                if (log.IsReadable(image) && !IsRight(rows, log.State.Images.GetValueOrDefault(image)))
                    different.Add(image);
            }
        different.UnionWith((keys ?? [.. log.State.Images.Keys]).Where(image => !found.Contains(image) && HasSnapshot(log, image)));
        return different;
    }

    /// <inheritdoc/>
    public async Task<int> Replace(NpgsqlConnection connection, FoldedLog log, IReadOnlyCollection<string> keys, CancellationToken ct)
    {
        await RebuiltRows.Delete(connection, "kuik.image_states", "image", keys, ct);
        foreach (var page in keys.Where(image => HasSnapshot(log, image)).Select(image => log.State.Images[image]).Chunk(PageSize))
        {
            await using var batch = new NpgsqlBatch(connection);
            batch.BatchCommands.Add(ImageStates.Write([.. page.Select(image => (image.State, image.Version))]));
            await batch.ExecuteNonQueryAsync(ct);
        }
        return keys.Count;
    }

    private static bool HasSnapshot(FoldedLog log, string image) =>
        log.State.Images.GetValueOrDefault(image) is { Unreadable: 0, State.Image.Length: > 0 };

    private static bool IsRight(NpgsqlDataReader row, ImageRecord? image) =>
        image is not null && row.GetInt64(1) == image.Version && row.GetInt32(2) == Contracts.ImageState.FoldVersion
        && row.GetBoolean(4) == image.State.CanBecomeUnused && ImageStates.HasState(row.GetString(3), image.State);
}
