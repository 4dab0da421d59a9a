using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.IntegrationTests.Audit;

/// <summary>The state at an instant, folded in SQL: the table of docs/decisions/0013, written a second time.</summary>
internal static class IndependentFold
{
    // A time means the log before the first event that was recorded after it.
    private const string Prefix = """
        select * from kuik.mt_events where type <> 'tombstone' and ($1::bigint is null or seq_id <= $1)
            and ($2::timestamptz is null or seq_id <
            coalesce((select min(seq_id) from kuik.mt_events where timestamp > $2 and type <> 'tombstone'), 9223372036854775807))
        """;

    // Outcomes of earlier versions have the number 0 and count for the current claim, or for none.
    private const string EndsCopy = "(phase = 'Copying' and number = attempt or number = 0 and phase in ('Wanted', 'Copying', 'Failed'))";

    private const string ImagesQuery = $"""
        with recursive log as ({Prefix}),
        e as (select stream_id, row_number() over (partition by stream_id order by version) as n, type, data,
            (data ->> 'attempt')::bigint as number from log where stream_id like 'image/%'),
        s as (
            select stream_id, 0::bigint as n, 'Unknown' as phase, 0::bigint as attempt, null::text as digest, false as retained,
                false as forgotten, false as unused from e where n = 1
            union all
            select s.stream_id, e.n,
                case when e.type like 'RequestedBy%' and phase not in ('Wanted', 'Copying', 'Cached') then 'Wanted'
                    when e.type = 'ImageFetchStarted' and phase in ('Wanted', 'Copying', 'Failed') and number > attempt then 'Copying'
                    when type = 'ImageCached' and {EndsCopy} then 'Cached'
                    when type = 'ImageFetchFailed' and {EndsCopy} then 'Failed'
                    when e.type = 'ImageLost' and phase = 'Cached' and number = attempt then 'Wanted'
                    when e.type = 'ImageExpired' and phase in ('Wanted', 'Copying', 'Failed', 'Cached') and not retained then 'Leaving'
                    when e.type = 'ImageEvictionStarted' and phase in ('Leaving', 'Removing') and number > attempt then 'Removing'
                    when e.type = 'ImageEvicted' and phase = 'Removing' and number = attempt then 'Gone'
                    else phase end,
                case when e.type = 'ImageFetchStarted' and phase in ('Wanted', 'Copying', 'Failed') and number > attempt
                    or e.type = 'ImageEvictionStarted' and phase in ('Leaving', 'Removing') and number > attempt then number
                    else attempt end,
                case when type = 'ImageCached' and {EndsCopy} then data ->> 'digest'
                    when e.type = 'ImageEvicted' and phase = 'Removing' and number = attempt then null
                    when e.type = 'ImageLost' and phase = 'Cached' and number = attempt then null
                    when e.type like 'RequestedBy%' and phase not in ('Wanted', 'Copying', 'Cached') then null
                    else digest end,
                case e.type when 'ImageRetained' then true when 'ImageReleased' then false else retained end,
                case when e.type like 'RequestedBy%' or e.type in ('ImageRetained', 'ImageUsedAgain') then false
                    when e.type = 'ImageExpired' and phase in ('Wanted', 'Copying', 'Failed', 'Cached') and not retained then false
                    when e.type = 'ImageForgotten' and phase in ('Wanted', 'Copying', 'Failed', 'Cached') and not retained then true
                    else forgotten end,
                case when e.type like 'RequestedBy%' or e.type in ('ImageRetained', 'ImageUsedAgain') then false
                    when e.type = 'ImageExpired' and phase in ('Wanted', 'Copying', 'Failed', 'Cached') and not retained then false
                    when e.type = 'ImageUnused' and phase in ('Wanted', 'Copying', 'Failed', 'Cached') and not retained and not forgotten
                        then true
                    else unused end
            from s join e on e.stream_id = s.stream_id and e.n = s.n + 1)
        select distinct on (stream_id)
            concat_ws(' ', substr(stream_id, 7), phase, attempt, coalesce(digest, '-'), retained, forgotten, unused)
        from s order by stream_id, n desc
        """;

    private const string UsersQuery = $"""
        with log as ({Prefix}),
        last as (select distinct on (stream_id) type, data from log where stream_id not like 'image/%' order by stream_id, version desc)
        select distinct concat_ws(' ', coalesce(data ->> 'podUid', data ->> 'kind' || '/' || (data ->> 'workloadUid')), used ->> 'image')
        from last, jsonb_array_elements(data -> 'images') used where type in ('PodObserved', 'WorkloadObserved')
        """;

    /// <summary>One line for each image.</summary>
    public static Task<IReadOnlyList<string>> Images(NpgsqlConnection connection, Instant instant) => Ask(connection, ImagesQuery, instant);

    /// <summary>One line for each user and image.</summary>
    public static Task<IReadOnlyList<string>> Users(NpgsqlConnection connection, Instant instant) => Ask(connection, UsersQuery, instant);

    /// <summary>The same lines of a replayed state.</summary>
    public static IReadOnlyList<string> Describe(IEnumerable<ImageRecord> images) => Sorted(images.Select(image =>
        $"{image.Image} {image.State.Phase} {image.State.Attempt} {image.State.Digest ?? "-"} {Letter(image.State.IsRetained)} "
        + $"{Letter(image.State.IsForgotten)} {Letter(image.State.UnusedSince is not null)}"));

    /// <summary>The same lines of users.</summary>
    public static IReadOnlyList<string> Describe(IEnumerable<UserRecord> users) =>
        Sorted(users.SelectMany(user => user.References.Select(image => $"{user.Key} {image}")));

    private static string Letter(bool value) => value ? "t" : "f";

    private static IReadOnlyList<string> Sorted(IEnumerable<string> lines) => [.. lines.Order(StringComparer.Ordinal)];

    private static async Task<IReadOnlyList<string>> Ask(NpgsqlConnection connection, string sql, Instant instant)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.Add(new() { Value = (object?)instant.Sequence ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Bigint });
        command.Parameters.Add(new()
        {
            Value = (object?)instant.Time?.ToUniversalTime() ?? DBNull.Value,
            NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz,
        });
        await using var rows = await command.ExecuteReaderAsync();
        var lines = new List<string>();
        while (await rows.ReadAsync())
            lines.Add(rows.GetString(0));
        return Sorted(lines);
    }
}
