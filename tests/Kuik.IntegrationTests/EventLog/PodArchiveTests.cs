using Kuik.Contracts;
using Kuik.EventLog;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

public class PodArchiveTests
{
    private static readonly CancellationToken Any = CancellationToken.None;

    [Fact]
    public async Task Streams_of_pods_are_archived_a_day_after_they_are_gone_and_not_before_every_projection_is_done_with_them()
    {
        await using var host = await Start();
        foreach (var uid in new[] { "old", "back", "young", "ahead" })
            await Append(host, Observed(uid), Gone(uid));
        await Append(host, Observed("back"));
        await Append(host, Observed("live"));
        await host.Execute("""
            update kuik.mt_events set timestamp = timestamp - interval '25 hours' where stream_id <> 'pod/young';
            update kuik.mt_event_progression set last_seq_id = (select max(seq_id) - 1 from kuik.mt_events where stream_id = 'pod/ahead');
            insert into kuik.mt_event_progression (name, last_seq_id, last_updated) values ('of-an-older-version:All', 0, now() - interval '30 days'),
                ('HighWaterAllocationFence', 0, now())
            """);

        Assert.Equal(1, await Archive(host));
        Assert.Equal("pod/old", await host.Ask<string>("select string_agg(id, ' ') from kuik.mt_streams where is_archived"));
        Assert.Equal(2L, await host.Ask<long>("select count(*) from kuik.mt_events where is_archived"));
        await host.Execute("update kuik.mt_event_progression set last_seq_id = 1000, last_updated = now() where name = 'relay:All'");
        Assert.Equal(1, await Archive(host));
        Assert.Equal(0, await Archive(host));
        Assert.Equal("pod/ahead pod/old",
            await host.Ask<string>("select string_agg(id, ' ' order by id) from kuik.mt_streams where is_archived"));
    }

    [Fact]
    public async Task A_pod_that_comes_back_after_its_stream_was_archived_is_recorded_behind_what_was_before()
    {
        await using var host = await Start();
        await Append(host, Observed("uid"), Gone("uid"));
        await host.Execute("update kuik.mt_events set timestamp = timestamp - interval '25 hours'");
        Assert.Equal(1, await Archive(host));

        await Append(host, Observed("uid"));

        Assert.Equal("PodObserved PodGone PodObserved", await host.Ask<string>(
            "select string_agg(type, ' ' order by version) from kuik.mt_events where stream_id = 'pod/uid' and not is_archived"));
        Assert.Equal(1L, await host.Ask<long>("select count(*) from kuik.image_users"));
    }

    [Fact]
    public async Task Streams_of_workloads_are_archived_as_those_of_pods_are()
    {
        await using var host = await Start();
        await Append(host, Observed("uid"), Gone("uid"));
        await host.Transactions.Execute(async log =>
        {
            var stream = await log.Read(StreamName.OfWorkload("job"), 0, (count, _) => count + 1, Any);
            stream.Append(new WorkloadObserved("job", "Job", "default", "j", [new PodImage("c", "a:1", "a:1")], [], DateTimeOffset.UtcNow));
            stream.Append(new WorkloadGone("job", "Job", "default", "j", ["a:1"], DateTimeOffset.UtcNow));
        }, Any);
        Assert.Equal(0, await Archive(host));

        await host.Execute("update kuik.mt_events set timestamp = timestamp - interval '25 hours'");

        Assert.Equal(2, await Archive(host));
        Assert.Equal(
            "pod/uid workload/job",
            await host.Ask<string>("select string_agg(id, ' ' order by id) from kuik.mt_streams where is_archived"));
    }

    [Fact]
    public async Task The_archive_finds_what_is_due_by_an_index_and_in_batches()
    {
        await using var host = await Start();
        await Append(host, [.. Enumerable.Range(0, 30).SelectMany(i => new object[] { Observed($"uid-{i}"), Gone($"uid-{i}") })]);
        await host.Execute("update kuik.mt_events set timestamp = timestamp - interval '25 hours'");
        await using var connection = await host.Postgres.OpenConnectionAsync();

        Assert.Equal(20, await PodArchive.Archive(connection, TimeSpan.FromHours(24), 20, Any));
        Assert.Equal(10, await PodArchive.Archive(connection, TimeSpan.FromHours(24), 20, Any));
        await using var plan = new Npgsql.NpgsqlCommand("""
            set enable_seqscan = off;
            explain select stream_id from kuik.mt_events where type = 'PodGone' and not is_archived and timestamp < now() order by timestamp limit 5
            """, connection);
        await using var rows = await plan.ExecuteReaderAsync();
        Assert.True(await rows.ReadAsync() && await rows.ReadAsync());
        Assert.Contains("mt_events_pod_gone", rows.GetString(0), StringComparison.Ordinal);
    }

    private static async Task<LogHost> Start()
    {
        var host = await LogHost.Start("test", await MigratedDatabase.New());
        await host.Services.GetRequiredService<EventLogReady>().Wait(Any);
        await host.Execute("insert into kuik.mt_event_progression (name, last_seq_id, last_updated) values ('relay:All', 1000, now())");
        return host;
    }

    private static async Task<int> Archive(LogHost host)
    {
        await using var connection = await host.Postgres.OpenConnectionAsync();
        return await PodArchive.Archive(connection, TimeSpan.FromHours(24), 100, Any);
    }

    private static Task Append(LogHost host, params object[] facts) => host.Transactions.Execute(async log =>
    {
        foreach (var fact in facts)
        {
            var uid = fact is PodObserved pod ? pod.PodUid : ((PodGone)fact).PodUid;
            (await log.Read(StreamName.OfPod(uid), 0, (count, _) => count + 1, Any)).Append(fact);
        }
    }, Any);

    private static PodObserved Observed(string uid) =>
        new PodObserved(uid, "default", "pod-" + uid, [new PodImage("c", "a:1", "a:1")], [], DateTimeOffset.UtcNow);

    private static PodGone Gone(string uid) => new PodGone(uid, "default", "pod-" + uid, ["a:1"], DateTimeOffset.UtcNow);
}
