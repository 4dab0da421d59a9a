using System.Text.Json;
using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>
/// Compares pod-watcher's projection of images (<c>image-view-N</c>, from which CachedImages are written) with the fold. A document that is
/// behind the log is not compared while the projection is behind too.
/// </summary>
internal sealed class ViewComparison(NpgsqlConnection connection)
{
    private readonly List<string> _skipped = [];

    /// <summary>The comparisons that could not be made.</summary>
    public IReadOnlyList<string> Skipped => _skipped;

    /// <summary>The documents that are wrong, missing, or of images that the log does not know.</summary>
    public async Task<IReadOnlyList<LogDifference>> Compare(ReplayedState state, CancellationToken ct)
    {
        if (await FindProjection(ct) is not { } projection)
        {
            if (state.Images.Count > 0)
                _skipped.Add("pod-watcher has projected no images yet; their views are not compared");
            return [];
        }
        var differences = new List<LogDifference>();
        var seen = new HashSet<string>();
        var behind = 0;
        await using (var command = new NpgsqlCommand($"select id, data from kuik.{projection.Table} order by id", connection))
        await using (var rows = await command.ExecuteReaderAsync(ct))
            while (await rows.ReadAsync(ct))
            {
                var image = StreamName.ImageOf(rows.GetString(0));
                seen.Add(image);
                if (!state.Images.TryGetValue(image, out var record))
                    differences.Add(new LogDifference("view", image, "there is a view, and the log has no event of this image"));
                else if (record.Unreadable == 0
                    && Describe(Read(rows.GetFieldValue<byte[]>(1)), record, projection.Position, ref behind) is { } wrong)
                    differences.Add(new LogDifference("view", image, wrong));
            }
        differences.AddRange(state.Images.Values
            .Where(image => image.Unreadable == 0 && image.Sequence <= projection.Position && image.State.Phase != ImagePhase.Unknown
                && !seen.Contains(image.Image))
            .Select(image => new LogDifference("view", image.Image, "there is none")));
        if (behind > 0)
            _skipped.Add($"{behind} views are behind the log, as the projection is; they are not compared");
        return differences;
    }

    private static StoredView? Read(byte[] data)
    {
        try
        {
            return JsonSerializer.Deserialize<StoredView>(data, FactReader.Json);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Describe(StoredView? view, ImageRecord image, long position, ref int behind)
    {
        if (view is null)
            return "it cannot be read";
        if (view.Sequence is { } sequence && sequence != image.Sequence)
        {
            if (sequence < image.Sequence && position < image.Sequence)
            {
                behind++;
                return null;
            }
            // Types that change no state are not projected.
            if (sequence > image.Sequence)
                return $"it is of event {sequence}, the last one of the image is {image.Sequence}";
        }
        string[] wrong =
        [
            StateText.Differences(view.State, image.State),
            StateText.Differences(view.Cached, image.Cached),
            StateText.Differences(view.Origin, image.Origin),
            StateText.Differences(view.Failed, image.Failed),
            StateText.Differences(view.Lost, image.Lost),
        ];
        var found = string.Join("; ", wrong.Where(text => text.Length > 0));
        return found.Length == 0 ? null : found;
    }

    /// <summary>The newest projection that has begun.</summary>
    private async Task<(string Table, long Position)?> FindProjection(CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            select table_name, last_seq_id from kuik.mt_event_progression
            join lateral (select 'mt_doc_' || replace(split_part(name, ':', 1), '-', '_') as table_name) t on true
            where name like 'image-view-%' and to_regclass('kuik.' || table_name) is not null
            order by length(table_name) desc, table_name desc limit 1
            """, connection);
        await using var rows = await command.ExecuteReaderAsync(ct);
        return await rows.ReadAsync(ct) ? (rows.GetString(0), rows.GetInt64(1)) : null;
    }

    /// <summary>The fields of a view that are compared.</summary>
    private sealed record StoredView(
        long? Sequence, ImageState? State, ImageCached? Cached, OriginChecked? Origin, ImageFetchFailed? Failed, ImageLost? Lost);
}
