using System.Net.Http.Json;
using System.Text.RegularExpressions;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>
/// Every statement that pod-watcher, expiry and image-fetcher send on a log of a large cluster, as processes at work, with its plan:
/// auto_explain writes them into Postgres' log.
/// </summary>
public sealed class StatementPlanTests
{
    private const int Pods = 10_000;
    private const int ImagesOfAPod = 20;
    private const int UsedImages = 4_000;
    private const int Rows = 50_000;
    private const int Events = 200_000;

    private static readonly string[] Growing =
    [
        "image_users", "running_digests", "image_pulls", "image_states", "work", "pending_sweeps", "mt_events", "mt_streams",
        "event_hashes",
    ];

    /// <summary>Reads of everything: once for each term of a leader, and the comparison of the usage table with what the leader knows after
    /// a take-over and every ten minutes.</summary>
    private static readonly string[] WholeTables =
        ["from kuik.image_users  order by image, namespace, pod_name, pod_uid", "select distinct pod_uid from kuik.image_users"];

    private static readonly (string, string?)[] Settings =
    [
        ("Kuik:ExpiryDelay", "00:00:01"), ("Kuik:RequestLease", "00:00:05"), ("Kuik:Log:HashChain", "true"),
        ("Kuik:Log:RetainFor", "1.00:00:00"),
    ];

    [Fact]
    public async Task No_statement_of_services_at_work_scans_a_table_that_grows()
    {
        // Given a log of a large cluster
        var cache = await Registry.Start();
        var postgres = await Postgres.StartOwn(settings: "session_preload_libraries=auto_explain");
        await using var cluster = await ScriptedCluster.Start(postgres);
        await Record(cluster, cache, "first");
        foreach (var service in cluster.Services)
            await service.Stop();
        await Fill(cluster);
        await cluster.ExecuteBeside("alter database \"DATABASE\" set auto_explain.log_min_duration = 0");
        var before = (await postgres.Log()).Length;

        // When the services do what they do
        await Record(cluster, cache, "second");
        await ReportPulls(cluster.Services[^1]);
        cluster.Kubernetes.RemovePod("apps", "second");
        await Eventually.True(async () => await cluster.Count("ImageExpired") > 0, "an image without users has expired");
        await Eventually.True(async () => await cluster.Execute("select removed_streams from kuik.log_retention") == "1",
            "an ended stream has left the log");
        await cluster.ExecuteBeside("alter database \"DATABASE\" set auto_explain.log_min_duration = -1");

        // Then
        var plans = Plans((await postgres.Log())[before..]);
        Assert.True(plans.Count > 50, $"only {plans.Count} plans in the log");
        var scans = plans.Where(ScansWhatGrows).DistinctBy(StatementOf).ToList();
        Assert.True(scans.Count == 0, string.Join("\n\n", scans));
    }

    private static async Task Record(ScriptedCluster cluster, Registry cache, string name)
    {
        await cluster.StartService("PodWatcher", "readyz", Settings);
        await cluster.StartService("Expiry", "readyz", Settings);
        await cluster.StartService("ImageFetcher", "readyz",
            [.. Settings, ("Kuik:Cache:Endpoint", cache.Endpoint.ToString())]);
        cluster.Kubernetes.AddPod("apps", name, $"127.0.0.1:1/team/{name}:1");
        await cluster.UsageIsRight();
        await Eventually.True(
            async () => await cluster.Execute(
                $"select count(*) from kuik.mt_events where type = 'ImageFetchFailed' and stream_id like '%{name}%'") != "0",
            "a copy was tried and has failed");
    }

    private static async Task ReportPulls(KuikService fetcher)
    {
        var pulls = Enumerable.Range(0, 100).Select(n => new CountedPulls(Image(n), 1, DateTimeOffset.UtcNow));
        using var http = new HttpClient { BaseAddress = fetcher.Endpoint };
        using var answer = await http.PostAsJsonAsync(PullReport.Path, new PullReport("node-1", [.. pulls]));
        answer.EnsureSuccessStatusCode();
    }

    // Copies of the rows that the services have written, whatever columns they have.
    private static async Task Fill(ScriptedCluster cluster)
    {
        for (var i = 0; i < Pods; i++)
            cluster.Kubernetes.AddPod("apps", $"web-{i}",
                [.. Enumerable.Range(0, ImagesOfAPod).Select(n => Image(((i * ImagesOfAPod) + n) % UsedImages))]);
        var uids = string.Join(',', cluster.Kubernetes.Pods.Where(pod => pod.Pod.Name.StartsWith("web-", StringComparison.Ordinal))
            .OrderBy(pod => int.Parse(pod.Pod.Name[4..], System.Globalization.CultureInfo.InvariantCulture)).Select(pod => pod.Uid));
        await cluster.Execute($"""
            insert into kuik.image_users select (jsonb_populate_record(null::kuik.image_users, to_jsonb(u) || jsonb_build_object(
                'image', 'registry.example/large/app-' || ((pod.number - 1) * {ImagesOfAPod} + n) % {UsedImages} || ':1',
                'pod_uid', pod.uid, 'pod_name', 'web-' || pod.number - 1))).*
            from (select * from kuik.image_users limit 1) u, generate_series(0, {ImagesOfAPod - 1}) n,
                unnest(string_to_array('{uids}', ',')) with ordinality as pod(uid, number)
            """);
        await cluster.Execute("insert into kuik.running_digests select image, pod_uid, 'sha256:' || md5(image) from kuik.image_users");
        await cluster.Execute($"""
            insert into kuik.image_pulls (image, pulls, last_at, last_node, reported_at)
            select 'registry.example/large/app-' || n || ':1', n, now(), 'node-0', now() - n * interval '1 second'
            from generate_series(0, {Rows}) n
            """);
        await cluster.Execute($$"""
            insert into kuik.image_states select (jsonb_populate_record(null::kuik.image_states, to_jsonb(s) || jsonb_build_object(
                'image', 'registry.example/large/app-' || n || ':1', 'state',
                    jsonb_set(s.state, '{image}', to_jsonb('registry.example/large/app-' || n || ':1')),
                'can_become_unused', n < {{UsedImages}}))).*
            from (select * from kuik.image_states limit 1) s, generate_series(0, {{Rows}}) n
            """);
        await cluster.Execute($"""
            insert into kuik.work select (jsonb_populate_record(null::kuik.work, to_jsonb(w) || jsonb_build_object(
                'image', 'registry.example/large/app-' || n || ':1', 'wake_at', now() + interval '1 day', 'kind', kinds.kind))).*
            from (select * from kuik.work limit 1) w, generate_series(0, {Rows}) n, unnest(array['fetch', 'expire']) as kinds(kind)
            """);
        await cluster.Execute($"""
            insert into kuik.pending_sweeps (repository, version, first_noted, last_noted, not_before, attempts)
            select 'registry.example/large/app-' || n, 1, now(), now(), now() + interval '1 day', 1 from generate_series(0, {Rows}) n
            """);
        await cluster.Execute($"""
            insert into kuik.mt_streams select (
                jsonb_populate_record(null::kuik.mt_streams, to_jsonb(s)
                    || jsonb_build_object('id', 'image/registry.example/large/app-' || n || ':1'))).*
            from (select * from kuik.mt_streams where id like 'image/%' limit 1) s, generate_series(0, {Rows}) n
            """);
        await cluster.Execute($"""
            insert into kuik.mt_events select (
                jsonb_populate_record(null::kuik.mt_events, to_jsonb(e)
                    || jsonb_build_object(
                'seq_id', nextval('kuik.mt_events_sequence'), 'id', gen_random_uuid(),
                'stream_id', 'image/registry.example/large/app-' || n % {Rows} || ':1', 'version', 1 + n / {Rows}))).*
            from (select * from kuik.mt_events where stream_id like 'image/%' order by seq_id limit 1) e, generate_series(0, {Events}) n
            """);
        // A stream that ended long ago is the next that retention comes to.
        await cluster.Execute("""
            insert into kuik.mt_streams
            select (jsonb_populate_record(s, '{"id": "pod/old", "version": 1}')).* from kuik.mt_streams s limit 1;
            update kuik.mt_events set stream_id = 'pod/old', version = 1, type = 'PodGone', timestamp = now() - interval '2 days'
            where seq_id = (select seq_id from kuik.mt_events order by seq_id desc offset 10 limit 1);
            insert into kuik.log_retention (id, position, horizon, removed_events, removed_streams, exported)
            select 1, seq_id - 1, 0, 0, 0, 0 from kuik.mt_events where stream_id = 'pod/old' on conflict (id) do update set position = excluded.position
            """);
        await cluster.Execute("""
            insert into kuik.event_hashes (seq_id, hash) select seq_id, sha256('x') from kuik.mt_events on conflict do nothing
            """);
        await cluster.Execute("update kuik.mt_event_progression set last_seq_id = (select max(seq_id) from kuik.mt_events)");
        await cluster.Execute("analyze");
    }

    private static string Image(int number) => $"registry.example/large/app-{number}:1";

    /// <summary>The entries of the log that hold a plan: their lines after the first begin with a tab.</summary>
    private static List<string> Plans(string log)
    {
        var entries = new List<string>();
        foreach (var line in log.Split('\n'))
        {
            if (line.StartsWith('\t') && entries.Count > 0)
                entries[^1] += "\n" + line;
            else
                entries.Add(line);
        }
        // Without the time, so that a statement is named once.
        return [.. entries.Where(entry => entry.Contains(" plan:\n", StringComparison.Ordinal))
            .Select(entry => entry[(entry.IndexOf(" plan:\n", StringComparison.Ordinal) + 7)..])];
    }

    private static string StatementOf(string plan) => plan[..Math.Max(0, plan.IndexOf("cost=", StringComparison.Ordinal))];

    private static bool ScansWhatGrows(string plan) =>
        Growing.Any(table => Regex.IsMatch(plan, $@"Seq Scan on {table}\b"))
            && !WholeTables.Any(read => plan.Contains(read, StringComparison.Ordinal));
}
