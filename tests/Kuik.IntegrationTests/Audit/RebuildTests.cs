using System.Diagnostics;
using Kuik.EventLog;
using Kuik.EventLog.Audit;
using Kuik.IntegrationTests.Doctor;
using Kuik.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.Audit;

/// <summary><c>kuik rebuild</c> on the log of a random run, whose services go on.</summary>
public sealed class RebuildTests(AuditWorld world, ITestOutputHelper output) : IClassFixture<AuditWorld>
{
    private const string Nginx = AuditWorld.Nginx;
    private const string Pod = "front-6d4cf56db6-x2x9z";

    /// <summary>Something of each kind is missing, superfluous or wrong.</summary>
    private const string Corruption = $$"""
        delete from kuik.image_users where pod_uid = '{{Pod}}';
        insert into kuik.image_users values ('{{Nginx}}', 'nowhere', 'web', 'ghost', '{}');
        insert into kuik.running_digests values ('{{Nginx}}', '{{Pod}}', 'sha256:00');
        update kuik.image_states set state = jsonb_set(state, '{digest}', '"sha256:00"') where image = '{{Nginx}}';
        delete from kuik.image_states where image like '%app-1:1';
        insert into kuik.image_states select 'example.com/none:1', version, fold, state, can_become_unused from kuik.image_states limit 1;
        delete from kuik.work where image = '{{Nginx}}';
        insert into kuik.work (kind, image, wake_at, attempt) values ('evict', '{{Nginx}}', now(), 0);
        update kuik.mt_doc_image_view_3 set data = '{"id": "no view"}' where id = 'image/{{Nginx}}';
        delete from kuik.mt_doc_image_view_3 where id like '%app-1:1';
        insert into kuik.repositories values ('example.com/none', '{secret}', null, null, '{}');
        """;

    [Fact]
    public async Task Every_kind_of_wrong_row_is_corrected_and_the_projections_go_on()
    {
        await using var connection = await world.Postgres.OpenConnectionAsync();
        var before = await DerivedRows.Read(connection);
        await Execute(connection, Corruption);

        var run = await world.Shell("kuik rebuild");

        Assert.True(run.ExitCode == 0, run.Output + run.Errors);
        output.WriteLine(run.Output);
        Assert.Equal(before, await DerivedRows.Read(connection));
        await Verifies();
        await world.Record(AuditWorld.Observed("after-the-rebuild", "registry.example.com/team/new:1"));
        await ViewsFollow(connection);
        await Verifies();
    }

    [Fact]
    public async Task A_log_that_everything_agrees_with_is_left_as_it_is()
    {
        await using var connection = await world.Postgres.OpenConnectionAsync();
        var (rows, rebuilds) = (await DerivedRows.Read(connection), await Ask(connection, Rebuilds.LastQuery));

        var result = await new LogRebuild(connection, TimeProvider.System).Run(null, CancellationToken.None);

        Assert.All(result.Parts, part => Assert.Equal(0, part.Value));
        Assert.Empty(result.Skipped);
        Assert.Equal(rows, await DerivedRows.Read(connection));
        Assert.Equal(rebuilds, await Ask(connection, Rebuilds.LastQuery));
    }

    [Fact]
    public async Task A_second_rebuild_at_the_same_time_is_refused_with_a_sentence()
    {
        await using var other = await world.Postgres.OpenConnectionAsync();
        await Execute(other, $"select pg_advisory_lock({AdvisoryLocks.KeyOf(LogRebuild.LockName)})");

        var run = await world.Shell("kuik rebuild");

        await Execute(other, $"select pg_advisory_unlock({AdvisoryLocks.KeyOf(LogRebuild.LockName)})");
        Assert.Equal((70, "kuik: another rebuild is running: this one has changed nothing\n"), (run.ExitCode, run.Errors));
    }

    [Fact]
    public async Task A_canceled_and_a_killed_rebuild_leave_everything_as_it_was_and_the_next_one_succeeds()
    {
        // Given wrong rows, and a session that lets no rebuild come to its end
        await using var connection = await world.Postgres.OpenConnectionAsync();
        var right = await DerivedRows.Read(connection);
        await Execute(connection, Corruption);
        var wrong = await DerivedRows.Read(connection);
        await using var writer = await world.Postgres.OpenConnectionAsync();
        await using var transaction = await writer.BeginTransactionAsync();
        await Execute(writer, "lock table kuik.repositories in row exclusive mode");

        // When one is canceled and another one is killed while they wait for it
        await using (var canceled = await world.Postgres.OpenConnectionAsync())
        {
            using var cancel = new CancellationTokenSource();
            var rebuild = new LogRebuild(canceled, TimeProvider.System).Run(null, cancel.Token);
            await WaitsForTheLock(connection);
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => rebuild);
        }
        using (var killed = Process.Start(new ProcessStartInfo(DoctorWorld.Tool, ["rebuild", "--postgres", world.Database]))!)
        {
            await WaitsForTheLock(connection);
            killed.Kill();
            await killed.WaitForExitAsync();
        }
        var after = await DerivedRows.Read(connection);
        await transaction.RollbackAsync();

        // Then nothing has changed, and the next one corrects everything
        Assert.Equal(wrong, after);
        await Eventually.True(async () => (await world.Shell("kuik rebuild")).ExitCode == 0, "the killed rebuild's session has ended");
        Assert.Equal(right, await DerivedRows.Read(connection));
    }

    private static Task WaitsForTheLock(NpgsqlConnection connection) => Eventually.True(
        async () => await Ask(connection, """
            select count(*) from pg_locks where not granted and relation = 'kuik.repositories'::regclass
                and database = (select oid from pg_database where datname = current_database())
            """) > 0, "the rebuild waits for writers");

    private async Task Verifies()
    {
        var run = await world.Shell("kuik verify");
        Assert.True(run.ExitCode is 0, run.Output + run.Errors);
    }

    private static Task ViewsFollow(NpgsqlConnection connection) => Eventually.True(
        async () => await Ask(connection, """
            select count(*) from kuik.mt_event_progression where name like 'image-view-%'
                and last_seq_id >= (select max(seq_id) from kuik.mt_events)
            """) == 1, "the views follow the log again");

    private static async Task Execute(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<long> Ask(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
