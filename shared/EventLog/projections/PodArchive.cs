using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// Archives the streams of pods and workloads that are gone: Marten's queries and daemons skip them, and they may be exported and removed.
/// Only streams that the relay and every projection have processed; <see cref="Restore"/> undoes it for a user that is observed again.
/// </summary>
internal static class PodArchive
{
    /// <summary>The index by which <see cref="Archive"/> finds its candidates, the oldest first.</summary>
    public const string Index = $"""
        create index concurrently if not exists mt_events_pod_gone on {EventLogSetup.Schema}.mt_events (timestamp)
        where type = 'PodGone' and not is_archived
        """;

    /// <summary>The same for workloads, because Jobs are as short-lived as pods.</summary>
    public const string WorkloadIndex = $"""
        create index concurrently if not exists mt_events_workload_gone on {EventLogSetup.Schema}.mt_events (timestamp)
        where type = 'WorkloadGone' and not is_archived
        """;

    /// <summary>A shard without progress for so long, while others had some, belongs to a version that does not run any more.</summary>
    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromDays(7);

    /// <summary>Archives the streams whose last event is a PodGone, or a WorkloadGone, of that age.</summary>
    /// <param name="connection">A connection without a transaction.</param>
    /// <param name="age">The time since the event was recorded.</param>
    /// <param name="limit">The maximum of streams of pods, and the same of workloads.</param>
    /// <param name="ct">Cancels it.</param>
    /// <returns>The number of archived streams; <paramref name="limit"/> or more when there may be others.</returns>
    public static async Task<int> Archive(NpgsqlConnection connection, TimeSpan age, int limit, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"""
            with done as (
                select coalesce(min(last_seq_id), 0) as seq_id from {EventLogSetup.Schema}.mt_event_progression
                where not starts_with(name, 'HighWater') and last_updated > now() - $3),
            gone as ({GoneSql("PodGone")} union all {GoneSql("WorkloadGone")}),
            ended as (
                update {EventLogSetup.Schema}.mt_streams s set is_archived = true from gone
                where s.id = gone.stream_id and s.version = gone.version returning s.id),
            archived as (
                update {EventLogSetup.Schema}.mt_events e set is_archived = true from ended where e.stream_id = ended.id returning 1)
            select count(*)::int from ended
            """, connection)
        {
            Parameters = { new() { Value = age }, new() { Value = limit }, new() { Value = ForgottenAfter } },
        };
        return (int)(await command.ExecuteScalarAsync(ct))!;
    }

    // Each kind of event by its own index.
    private static string GoneSql(string type) => $"""
        (select e.stream_id, e.version from done, {EventLogSetup.Schema}.mt_events e
        join {EventLogSetup.Schema}.mt_streams s on s.id = e.stream_id and s.version = e.version
        where e.type = '{type}' and not e.is_archived and e.timestamp < now() - $1 and e.seq_id <= done.seq_id
        order by e.timestamp limit $2)
        """;

    /// <summary>Takes streams out of the archive again.</summary>
    /// <param name="connection">That of a decision's transaction.</param>
    /// <param name="streams">Their names.</param>
    /// <param name="ct">Cancels it.</param>
    public static async Task Restore(NpgsqlConnection connection, IReadOnlyList<string> streams, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"""
            with restored as (
                update {EventLogSetup.Schema}.mt_streams set is_archived = false where id = any($1) and is_archived returning id)
            update {EventLogSetup.Schema}.mt_events e set is_archived = false from restored where e.stream_id = restored.id
            """, connection) { Parameters = { new() { Value = streams.ToArray() } } };
        await command.ExecuteNonQueryAsync(ct);
    }
}
