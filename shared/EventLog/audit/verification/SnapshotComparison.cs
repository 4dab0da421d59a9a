using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Compares the snapshots of images with the fold. An outdated snapshot is allowed while the refresher is behind, and is compared
/// with the fold at its own version.</summary>
internal sealed class SnapshotComparison(NpgsqlConnection connection)
{
    private const int PageSize = 1000;

    private readonly Dictionary<string, long> _outdated = [];
    private readonly Dictionary<string, ImageState> _then = [];
    private readonly List<string> _skipped = [];
    private int _behind;

    /// <summary>The comparisons that could not be made.</summary>
    public IReadOnlyList<string> Skipped => _skipped;

    /// <summary>Reads the snapshots that are behind their streams, before the fold.</summary>
    public async Task ReadOutdated(CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            select s.image, s.version from kuik.image_states s join kuik.mt_streams t on t.id = 'image/' || s.image
            where s.version < t.version and s.fold = $1
            """, connection) { Parameters = { new() { Value = ImageState.FoldVersion } } };
        await using var rows = await command.ExecuteReaderAsync(ct);
        while (await rows.ReadAsync(ct))
            _outdated.Add(StreamName.OfImage(rows.GetString(0)), rows.GetInt64(1));
    }

    /// <summary>Keeps the state of an outdated snapshot's version during the fold.</summary>
    public void Follow(RecordedEvent one, ReplayedState state)
    {
        if (_outdated.Count > 0 && _outdated.TryGetValue(one.Stream, out var version) && version == one.Version)
            _then[one.Stream] = state.Images[StreamName.ImageOf(one.Stream)].State;
    }

    /// <summary>The snapshots that are wrong, missing, or of images that the log does not know.</summary>
    public async Task<IReadOnlyList<LogDifference>> Compare(ReplayedState state, CancellationToken ct)
    {
        var differences = new List<LogDifference>();
        var refreshed = await ReadProgress(ct);
        var other = await Ask("select count(*) from kuik.image_states where fold <> $1", ImageState.FoldVersion, ct);
        if (other > 0)
            _skipped.Add($"{other} snapshots are of another version of the state machine and are not used");
        foreach (var page in state.Images.Values.Where(image => image.Unreadable == 0).Chunk(PageSize))
        {
            var stored = await ImageStates.Read(connection, [.. page.Select(image => StreamName.OfImage(image.Image))], ct);
            differences.AddRange(stored.Join(page, one => one.Stream, image => StreamName.OfImage(image.Image),
                (one, image) => Describe(one, image, refreshed)).OfType<LogDifference>());
        }
        await foreach (var (image, canBecomeUnused) in Rows(ct))
            if (!state.Images.TryGetValue(image, out var record))
                differences.Add(new LogDifference("snapshot", image, "there is a snapshot, and the log has no event of this image"));
            else if (!_outdated.ContainsKey(StreamName.OfImage(image)) && record.Unreadable == 0
                && canBecomeUnused != record.State.CanBecomeUnused)
                differences.Add(new LogDifference("snapshot", image,
                    $"can_become_unused is {canBecomeUnused}, the log says {record.State.CanBecomeUnused}"));
        if (_behind > 0)
            _skipped.Add($"{_behind} snapshots are behind the log or missing, where the refresher in expiry has not been yet");
        return differences;
    }

    private LogDifference? Describe(StoredState stored, ImageRecord image, long refreshed)
    {
        if (stored.Version == image.Version)
            return Compare(image, stored.State, image.State);
        if (stored.Version > image.Version)
            return Wrong(image, $"it is of version {stored.Version}, the log ends at {image.Version}");
        if (stored.Version > 0 && _then.TryGetValue(stored.Stream, out var then) && Compare(image, stored.State, then) is { } wrong)
            return wrong;
        // Behind the log: an earlier version appended without a snapshot, and the refresher writes one when it gets there.
        if (refreshed < image.Sequence)
        {
            _behind++;
            return null;
        }
        return Wrong(image, stored.Version == 0
            ? "there is none"
            : $"it is of version {stored.Version}, the log of {image.Version}, and the refresher is past it");
    }

    // By content: two states with equal lists of replaced digests are not equal as records.
    private static LogDifference? Compare(ImageRecord image, ImageState stored, ImageState folded) =>
        StateText.Differences(stored, folded) is { Length: > 0 } found ? Wrong(image, found) : null;

    private static LogDifference Wrong(ImageRecord image, string found) => new("snapshot", image.Image, found);

    // Snapshots are written with the event: one that is missing is expected only where the refresher has not been yet.
    private async Task<long> ReadProgress(CancellationToken ct) => await Ask(
        "select coalesce(max(last_seq_id), 0) from kuik.mt_event_progression where name like $1", ImageStateRefresher.ShardName + ":%", ct);

    private async IAsyncEnumerable<(string Image, bool CanBecomeUnused)> Rows(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            "select image, can_become_unused from kuik.image_states where fold = $1 order by image", connection)
        {
            Parameters = { new() { Value = ImageState.FoldVersion } },
        };
        await using var rows = await command.ExecuteReaderAsync(ct);
        while (await rows.ReadAsync(ct))
            yield return (rows.GetString(0), rows.GetBoolean(1));
    }

    private async Task<long> Ask(string sql, object value, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection) { Parameters = { new() { Value = value } } };
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }
}
