using Npgsql;

namespace Kuik.PodWatcher;

/// <summary>
/// Chooses the images that leave because the cache is too large. Content that several references name (one digest) counts once, and leaves
/// only when all of them are unused. Layers that different digests share count for each: the log does not say which these are, so the cache
/// is counted too large, never too small.
/// </summary>
internal static class CacheLimit
{
    // Every image that is recorded as cached has work of the kind verify. A digest that a tag had before stays while a pod runs it; its
    // size is taken to be that of its successor.
    internal const string SizesQuery = """
        with cached as (
            select s.image, s.state, (s.state ->> 'sizeInBytes')::bigint as size
            from kuik.work w join kuik.image_states s on s.image = w.image
            where w.kind = 'verify' and s.state ->> 'digest' is not null and s.state ->> 'sizeInBytes' is not null)
        select image, state ->> 'digest', size, (state ->> 'unusedSince')::timestamptz from cached
        union all
        select cached.image, running.digest, cached.size, null
        from cached cross join lateral (
            select distinct r.digest from kuik.running_digests r
            where r.image = cached.image and cached.state -> 'replacedDigests' ? r.digest) as running
        where cached.state ? 'replacedDigests'
        """;

    /// <summary>The images in the cache.</summary>
    /// <exception cref="NpgsqlException">Postgres fails.</exception>
    public static async Task<IReadOnlyList<CachedSize>> Read(NpgsqlDataSource postgres, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(SizesQuery);
        await using var rows = await command.ExecuteReaderAsync(ct);
        var images = new List<CachedSize>();
        while (await rows.ReadAsync(ct))
            images.Add(new CachedSize(
                rows.GetString(0), rows.GetString(1), rows.GetInt64(2), rows.IsDBNull(3) ? null : rows.GetFieldValue<DateTimeOffset>(3)));
        return images;
    }

    /// <summary>The choice.</summary>
    /// <param name="images">All in the cache.</param>
    /// <param name="limitInBytes">The limit.</param>
    public static CacheLimitResult Choose(IReadOnlyList<CachedSize> images, long limitInBytes)
    {
        var contents = images.GroupBy(image => image.Digest).Select(references => new
        {
            SizeInBytes = references.Max(image => image.SizeInBytes),
            UnusedSince = references.Any(image => image.UnusedSince is null) ? null : references.Max(image => image.UnusedSince),
            Images = references.OrderBy(image => image.UnusedSince).Select(image => image.Image).ToList(),
        }).ToList();
        var size = contents.Sum(content => content.SizeInBytes);
        var excess = size - limitInBytes;
        var leaving = new List<string>();
        var unused = contents.Where(content => content.UnusedSince is not null)
            .OrderBy(content => content.UnusedSince).ThenBy(content => content.Images[0], StringComparer.Ordinal);
        foreach (var content in unused)
        {
            if (excess <= 0)
                break;
            leaving.AddRange(content.Images);
            excess -= content.SizeInBytes;
        }
        return new CacheLimitResult(size, leaving, Math.Max(0, excess));
    }
}
