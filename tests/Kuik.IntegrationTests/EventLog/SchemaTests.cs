using Kuik.EventLog;
using Kuik.IntegrationTests.PodWatcher;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>The creation of the event log's tables, and the preservation of those that a newer version created.</summary>
public class SchemaTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_service_without_tables_changes_nothing_says_which_version_it_needs_and_is_ready_when_they_are_there()
    {
        var database = await (await Postgres.Shared()).NewDatabase();
        await using var host = await LogHost.Start("test", database, isMigrated: false);
        var append = host.AppendRequest("nginx:1");

        await Eventually.True(async () => await host.Ready() is (503, var body)
            && body.Contains("the event log's schema has no version, this version needs 1: run pod-watcher migrate",
                StringComparison.Ordinal), "it says so");
        Assert.False(append.IsCompleted);
        Assert.Equal(0L, await host.Ask<long>("select count(*) from pg_namespace where nspname = 'kuik'"));
        await MigratedDatabase.Migrate(database);

        await append;
        Assert.Equal(200, (await host.Ready()).Status);
        Assert.Single(host.Log, line => line.Contains("run pod-watcher migrate", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_service_that_needs_a_newer_version_than_there_is_waits()
    {
        var database = await MigratedDatabase.New();
        await using var postgres = NpgsqlDataSource.Create(database);
        await Execute(postgres, "update kuik.schema_version set version = 0");

        await using var host = await LogHost.Start("test", database);

        await Eventually.True(async () => await host.Ready() is (503, _), "it is not ready");
        Assert.False(host.Services.GetRequiredService<EventLogReady>().IsReady);
        await Execute(postgres, "update kuik.schema_version set version = 7");
        await Eventually.True(async () => await host.Ready() is (200, _), "it is ready with a newer version");
    }

    [Fact]
    public async Task What_a_newer_version_added_survives_the_start_of_every_service_and_an_older_migration()
    {
        var database = await MigratedDatabase.New();
        await using var postgres = NpgsqlDataSource.Create(database);
        await AddWhatANewerVersionHas(postgres);
        await Execute(postgres, "insert into kuik.schema_version (version, by) values (2, 'the newer version')");
        var before = await Describe(postgres);
        var settings = new Dictionary<string, string?>
        {
            ["ConnectionStrings:Postgres"] = database,
            ["ConnectionStrings:RabbitMq"] = await (await RabbitMq.Shared()).NewVirtualHost(),
            ["Kuik:Cache:Endpoint"] = $"http://127.0.0.1:{FreePort.Next()}",
            ["KUBECONFIG"] = ImageFetcher.FetcherWorld.NoKubernetes(),
        };

        foreach (var project in new[] { "PodWatcher", "ImageFetcher", "Expiry" })
        {
            var service = await KuikService.Start(project, new KuikServiceOptions { Settings = settings, WaitFor = "healthz" });
            await Eventually.True(async () => (await Watchers.Readiness(service)).Contains("postgres: Healthy", StringComparison.Ordinal),
                $"{project} uses the log");
            service.Kill();
        }
        await KuikService.Migrate(new KuikServiceOptions { Settings = settings });

        Assert.Equal(before, await Describe(postgres));
    }

    [Fact]
    public async Task A_migration_of_the_same_version_adds_what_is_missing_and_leaves_what_it_does_not_know()
    {
        var database = await MigratedDatabase.New();
        await using var postgres = NpgsqlDataSource.Create(database);
        await AddWhatANewerVersionHas(postgres);
        var before = await Describe(postgres);
        await Execute(postgres, """
            drop index kuik.image_users_repository; drop table kuik.pending_sweeps;
            create index image_users_repository on kuik.image_users (pod_name);
            update pg_index set indisvalid = false where indexrelid = 'kuik.image_users_repository'::regclass;
            """);

        await MigratedDatabase.Migrate(database);
        await MigratedDatabase.Migrate(database);

        Assert.Equal(before, await Describe(postgres));
    }

    [Fact]
    public async Task A_table_that_additions_cannot_bring_up_to_date_is_refused_and_left_as_it_is()
    {
        var database = await MigratedDatabase.New();
        await using var postgres = NpgsqlDataSource.Create(database);
        await Execute(postgres, "drop index kuik.image_users_pod_uid; create index image_users_pod_uid on kuik.image_users (pod_name)");
        var before = await Describe(postgres);

        var refused = await Assert.ThrowsAsync<SchemaMigrationRefusedException>(() => MigratedDatabase.Migrate(database));

        Assert.Contains("kuik.image_users", refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, await Describe(postgres));
    }

    [Fact]
    public async Task Migrations_at_once_take_turns_and_the_log_says_which_version_was_applied_when_and_by_what()
    {
        var database = await (await Postgres.Shared()).NewDatabase();

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => MigratedDatabase.Migrate(database)));

        await using var postgres = NpgsqlDataSource.Create(database);
        await using var command =
            postgres.CreateCommand("select version || ' ' || (by <> '') || ' ' || (applied_at <= now()) from kuik.schema_version");
        Assert.Equal($"{EventLogSchema.Version} true true", await command.ExecuteScalarAsync(Stop));
    }

    private static async Task AddWhatANewerVersionHas(NpgsqlDataSource postgres)
    {
        await using var read =
            postgres.CreateCommand("select pg_get_functiondef(oid) from pg_proc where proname = 'mt_quick_append_events'");
        var function = (string)(await read.ExecuteScalarAsync(Stop))!;
        await Execute(postgres, function.Replace("BEGIN", "BEGIN -- newer\n", StringComparison.OrdinalIgnoreCase));
        await Execute(postgres, """
            alter table kuik.mt_events add column newer text;
            create index newer_index on kuik.mt_events (newer);
            alter table kuik.image_users add column node text;
            create index image_users_node on kuik.image_users (node);
            insert into kuik.image_users (image, pod_uid, namespace, pod_name, pull_secrets, node) values ('i', 'u', 'n', 'p', array[]::text[], 'node-7')
            """);
    }

    /// <summary>All columns, indexes and functions of the schema, and the row with the newer column.</summary>
    private static async Task<string> Describe(NpgsqlDataSource postgres)
    {
        await using var command = postgres.CreateCommand("""
            select string_agg(line, e'\n' order by line) from (
                select table_name || '.' || column_name || ' ' || data_type from information_schema.columns where table_schema = 'kuik'
                union all select indexdef from pg_indexes where schemaname = 'kuik'
                union all select pg_get_functiondef(oid) from pg_proc where pronamespace = 'kuik'::regnamespace
                union all select to_jsonb(u)::text from kuik.image_users u) as lines(line)
            """);
        return (string)(await command.ExecuteScalarAsync(Stop))!;
    }

    private static async Task Execute(NpgsqlDataSource postgres, string sql)
    {
        await using var command = postgres.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Stop);
    }
}
