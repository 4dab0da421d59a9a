using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Compares the events of each stream with the stream's row: events that were removed or added leave a trace there.</summary>
internal sealed class StreamComparison(NpgsqlConnection connection)
{
    private const string Query = """
        select t.id, t.version, e.count, e.first, e.last, e.archived, t.is_archived
        from kuik.mt_streams t left join (
            select stream_id, count(*) as count, min(version) as first, max(version) as last,
                count(*) filter (where is_archived) as archived
            from kuik.mt_events group by stream_id) e on e.stream_id = t.id
        where t.id <> 'mt_tombstone' and (e.count is null or e.count <> t.version or e.first <> 1 or e.last <> t.version
            or e.archived <> case when t.is_archived then e.count else 0 end)
        order by t.id
        """;

    /// <summary>The streams whose events are not the first, second and so on up to the version that the stream's row states.</summary>
    public async Task<IReadOnlyList<LogDifference>> Compare(CancellationToken ct)
    {
        var differences = new List<LogDifference>();
        await using var command = new NpgsqlCommand(Query, connection) { CommandTimeout = 600 };
        await using var rows = await command.ExecuteReaderAsync(ct);
        while (await rows.ReadAsync(ct))
            differences.Add(new LogDifference("log", rows.GetString(0), Describe(rows)));
        return differences;
    }

    /// <summary>A difference when the event names another image, pod or workload than its stream; null when it does not.</summary>
    public static LogDifference? FindForeign(RecordedEvent one)
    {
        var stream = one.Fact switch
        {
            null => null,
            PodObserved e => StreamName.OfPod(e.PodUid),
            PodGone e => StreamName.OfPod(e.PodUid),
            WorkloadObserved e => StreamName.OfWorkload(e.WorkloadUid),
            WorkloadGone e => StreamName.OfWorkload(e.WorkloadUid),
            var fact => fact.GetType().GetProperty("Image")?.GetValue(fact) is string image ? StreamName.OfImage(image) : null,
        };
        return stream is null || stream == one.Stream
            ? null
            : new LogDifference("log", one.Stream, $"event {one.Sequence} ({one.Type}) is about {stream}");
    }

    private static string Describe(NpgsqlDataReader row)
    {
        if (row.IsDBNull(2))
            return $"its row states version {row.GetInt64(1)}, and it has no events";
        var (version, count, first, last) = (row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4));
        return count == version && first == 1 && last == version
            ? $"{row.GetInt64(5)} of its {count} events are archived, and its row is {(row.GetBoolean(6) ? "archived" : "not archived")}"
            : $"its row states version {version}, and it has {count} events from {first} to {last}";
    }
}
