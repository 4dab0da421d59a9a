using Kuik.Testing;

namespace Kuik.Bench.Scale;

/// <summary>Makes the log many times as long, as after as many times its age: copies of the streams that are there, of pods and images that
/// are gone. No service may run meanwhile.</summary>
internal static class GrowHistory
{
    /// <param name="cluster">The cluster with the log.</param>
    /// <param name="times">How long it is to be, in lengths of now.</param>
    public static async Task Run(ScriptedCluster cluster, int times)
    {
        // Rows as they are but for these columns, whatever others the tables have.
        await cluster.Execute($$"""
            insert into kuik.mt_streams select (jsonb_populate_record(s, jsonb_build_object('id', s.id || '-old-' || n))).*
            from kuik.mt_streams s cross join generate_series(2, {{times}}) n
            """);
        await cluster.Execute($$"""
            insert into kuik.mt_events
            select (jsonb_populate_record(e, jsonb_build_object(
                'seq_id', nextval('kuik.mt_events_sequence'), 'id', gen_random_uuid(), 'stream_id', e.stream_id || '-old-' || n))).*
            from kuik.mt_events e cross join generate_series(2, {{times}}) n
            """);
        // They have been published and projected long ago.
        await cluster.Execute("update kuik.mt_event_progression set last_seq_id = (select max(seq_id) from kuik.mt_events)");
        await cluster.Execute("analyze");
    }
}
