using Kuik.Contracts;
using Kuik.IntegrationTests.EventLog;
using Kuik.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.PodWatcher;

/// <summary>Pods that are gone when their record ends: while it was under way, nothing could say that it has to end again.</summary>
public sealed class LateRecordsTests
{
    /// <summary>Two comparisons, a second list, and all of it on a busy machine.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pod_that_a_list_lacks_while_it_is_being_recorded_is_recorded_as_gone()
    {
        await using var cluster = await Watched();
        await using var writer = new NpgsqlConnection(cluster.Database);
        await writer.OpenAsync(Stop);
        await using var transaction = await writer.BeginTransactionAsync(Stop);
        await Run(writer, "lock table kuik.image_users in exclusive mode");
        cluster.Kubernetes.AddPod("apps", "brief", "redis:8");
        await Eventually.True(
            async () => await cluster.Execute(
                "select count(*) from pg_locks where relation = 'kuik.image_users'::regclass and not granted") == "1",
            "its record waits");

        cluster.Kubernetes.Script = request => request is { Verb: "watch", Resource: "pods" } ? ScriptedAnswers.ExpireWatch() : null;
        cluster.Kubernetes.EndWatches();
        cluster.Kubernetes.RemovePod("apps", "brief");
        var lists = cluster.Kubernetes.Requests("list", "pods");
        await Eventually.True(() => cluster.Kubernetes.Requests("list", "pods") > lists + 1, "a list lacks it");
        cluster.Kubernetes.Script = _ => null;
        await transaction.CommitAsync(Stop);

        await Eventually.True(async () => await cluster.Count("PodGone") == 1, "it is gone", Limit);
        await cluster.UsageIsRight();
    }

    [Fact]
    public async Task A_pod_whose_record_was_committed_without_an_answer_is_recorded_as_gone_when_it_goes()
    {
        await using var cluster = await Watched(await Postgres.StartOwn());
        // A commit that waits for a standby is on disk, and stays there when its session is ended.
        await cluster.Execute("alter system set synchronous_standby_names = 'a_standby_that_is_not_there'");
        await cluster.Execute("select pg_reload_conf()");
        cluster.Kubernetes.AddPod("apps", "brief", "redis:8");
        await Eventually.True(
            async () => await cluster.Execute("""
                select count(*) from pg_stat_activity join pg_locks using (pid)
                where wait_event = 'SyncRep' and relation = 'kuik.image_users'::regclass and mode = 'RowExclusiveLock'
                """) == "1",
            "its record is committed and not answered");

        cluster.Kubernetes.RemovePod("apps", "brief");
        await cluster.Execute("alter system reset synchronous_standby_names");
        await cluster.EndSessions();
        await cluster.Execute("select pg_reload_conf()");

        await Eventually.True(async () => await cluster.Count("PodGone") == 1, "it is gone", Limit);
        Assert.Equal(2, await cluster.Count("PodObserved"));
        await cluster.UsageIsRight();
    }

    [Fact]
    public async Task A_record_that_a_former_leader_ends_late_is_found_and_its_pod_recorded_as_gone()
    {
        await using var cluster = await Watched();
        await using var former = await LogHost.Start("pod-watcher", cluster.Database);

        var pod = new PodObserved(
            "uid-of-before", "apps", "brief", [new PodImage("app", "redis:8", "redis:8")], [], DateTimeOffset.UtcNow);
        await former.Transactions.Execute(
            async log => (await log.Read(StreamName.OfPod(pod.PodUid), 0, (count, _) => count + 1, Stop)).Append(pod), Stop);

        await Eventually.True(async () => await cluster.Count("PodGone") == 1, "it is gone", Limit);
        await cluster.UsageIsRight();
    }

    private static async Task<ScriptedCluster> Watched(Postgres? postgres = null)
    {
        var cluster = await ScriptedCluster.Start(postgres);
        cluster.Kubernetes.AddPod("apps", "first", "nginx:1.27");
        await cluster.StartService("PodWatcher");
        await cluster.UsageIsRight();
        return cluster;
    }

    private static async Task Run(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Stop);
    }
}
