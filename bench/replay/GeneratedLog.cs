using System.Globalization;
using Kuik.Testing;
using Npgsql;

namespace Kuik.Bench.Replay;

/// <summary>A log as that of a cluster that has run for long: images that were requested, named and copied, and pods that came and went
/// beside each other. Made by SQL, with events only: the projections are those that <c>kuik rebuild</c> makes.</summary>
/// <param name="Connection">The database's connection string.</param>
/// <param name="Events">The number of events.</param>
internal sealed record GeneratedLog(string Connection, long Events)
{
    /// <summary>EVENTS: default 1,000,000.</summary>
    private static readonly int Wanted = Setting.Number("EVENTS", 1_000_000);

    private const int EventsOfAnImage = 5;

    // 20,000 images and 460,000 pods, of which 20,000 are alive at a time, in 1,000,000 events.
    private static int Images => Wanted / 50;

    private static int Pods => (Wanted - (Images * EventsOfAnImage) + Images) / 2;

    /// <summary>An image of the log.</summary>
    public static string Image(int number) =>
        string.Create(CultureInfo.InvariantCulture, $"registry.example.com/team-{number % 200}/service-{number}:1.2.{number % 50}");

    /// <summary>A pod of the log, by its namespace and name.</summary>
    public static string Pod(int number) =>
        string.Create(CultureInfo.InvariantCulture, $"team-{number % 200}/service-{number % Images}-{number}");

    /// <summary>Makes it.</summary>
    public static async Task<GeneratedLog> Make(Postgres server)
    {
        var connection = await server.NewDatabase();
        await Migrate(connection);
        await using var source = NpgsqlDataSource.Create(connection);
        foreach (var sql in Statements())
        {
            await using var command = source.CreateCommand(sql);
            command.CommandTimeout = 0;
            await command.ExecuteNonQueryAsync();
        }
        await using var count = source.CreateCommand("select count(*) from kuik.mt_events");
        return new GeneratedLog(connection, (long)(await count.ExecuteScalarAsync())!);
    }

    // It reads all settings of pod-watcher, and connects to Postgres alone.
    private static async Task Migrate(string connection)
    {
        var kubeconfig = Path.Combine(Sandbox.Shared.NewFolder("replay"), "kubeconfig");
        await File.WriteAllTextAsync(kubeconfig, """
            {"apiVersion": "v1", "kind": "Config", "current-context": "none",
             "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
             "users": [{"name": "none", "user": {"token": "none"}}],
             "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}]}
            """);
        await RunTool.Run(Path.Combine(Checkout.Root, "artifacts/bin/PodWatcher/release/Kuik.PodWatcher"), ["migrate"],
            new Dictionary<string, string?>
            {
                ["ConnectionStrings__Postgres"] = connection,
                ["ConnectionStrings__RabbitMq"] = "amqp://none:none@127.0.0.1:1/",
                ["KUBECONFIG"] = kubeconfig,
            });
    }

    private static string[] Statements() =>
    [
        $$"""
        create unlogged table made as
        with image as (
            select i, 'registry.example.com/team-' || i % 200 || '/service-' || i || ':1.2.' || i % 50 as image,
                'sha256:' || md5(i::text) || md5('d' || i) as digest, '2026-01-01T00:00:00+00:00'::timestamptz + i * interval '20 s' as at
            from generate_series(0, {{Images - 1}}) i),
        pod as (
            select p, image, digest, 'pod-' || md5(p::text) as uid, 'team-' || p % 200 as namespace,
                'service-' || p % {{Images}} || '-' || p as name,
                '2026-01-01T00:00:00+00:00'::timestamptz + p * interval '1 s' as at
            from generate_series(0, {{Pods - 1}}) p join image on i = p % {{Images}})
        select at, 'image/' || image as stream, 1 as version, 'RequestedByPod' as type, jsonb_build_object(
            'image', image, 'writtenAs', image, 'podUid', 'pod-' || md5(i::text), 'requestedAt', at) as data from image
        union all select at, 'image/' || image, 2, 'ImageNamed', jsonb_build_object(
            'image', image, 'objectName', replace(replace(image, '/', '-'), ':', '-'), 'namedAt', at) from image
        union all select at + interval '1 s', 'image/' || image, 3, 'ImageFetchStarted', jsonb_build_object(
            'image', image, 'by', 'image-fetcher-7d9f', 'leaseUntil', at + interval '2 min', 'startedAt', at, 'attempt', 1) from image
        union all select at + interval '9 s', 'image/' || image, 4, 'ImageCached', jsonb_build_object(
            'image', image, 'digest', digest, 'mediaType', 'application/vnd.oci.image.index.v1+json',
            'platforms', jsonb_build_array('linux/amd64'), 'missingPlatforms', jsonb_build_array('linux/arm64'), 'sizeInBytes', 59034828,
            'bytesCopied', 12000000, 'bytesAlreadyThere', 47034828, 'duration', '00:00:03', 'cachedAt', at, 'attempt', 1) from image
        union all select at + interval '1 h', 'image/' || image, 5, 'OriginChecked', jsonb_build_object(
            'image', image, 'answer', 'same', 'attempt', 1, 'checkedAt', at) from image
        union all select at, 'pod/' || uid, 1, 'PodObserved', jsonb_build_object(
            'podUid', uid, 'namespace', namespace, 'name', name, 'images', jsonb_build_array(
                jsonb_build_object('container', 'app', 'image', image, 'writtenAs', image, 'digest', digest),
                jsonb_build_object('container', 'log', 'image', 'registry.example.com/team-0/service-0:1.2.0', 'writtenAs', 'service-0')),
            'pullSecrets', jsonb_build_array('regcred'), 'observedAt', at, 'node', 'node-' || p % 500, 'ownerKind', 'Deployment',
            'ownerName', 'service-' || p % {{Images}}, 'serviceAccount', 'default', 'createdAt', at, 'resourceVersion', p::text) from pod
        union all select at + {{Images}} * interval '1 s', 'pod/' || uid, 2, 'PodGone', jsonb_build_object(
            'podUid', uid, 'namespace', namespace, 'name', name, 'images',
            jsonb_build_array(image, 'registry.example.com/team-0/service-0:1.2.0'), 'goneAt', at, 'reason', 'Deleted', 'phase', 'Running')
            from pod where p < {{Pods - Images}}
        """,
        """
        insert into kuik.mt_streams (id, version, timestamp, created, is_archived)
        select stream, max(version), max(at), min(at), false from made group by stream
        """,
        """
        insert into kuik.mt_events (seq_id, id, stream_id, version, data, type, timestamp, mt_dotnet_type, headers, is_archived)
        select row_number() over (order by at, stream, version), gen_random_uuid(), stream, version, data, type, at,
            'Kuik.Contracts.' || type || ', Kuik.Contracts',
            '{"service": "pod-watcher", "replica": "pod-watcher-7d9f-00000000", "version": "0.1.0"}', false
        from made order by at, stream, version
        """,
        "select setval('kuik.mt_events_sequence', max(seq_id)) from kuik.mt_events",
        "insert into kuik.mt_event_progression (name, last_seq_id) select 'image-view-3:All', max(seq_id) from kuik.mt_events",
        "drop table made",
        "vacuum analyze",
    ];
}
