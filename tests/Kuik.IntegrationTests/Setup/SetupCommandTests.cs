using Kuik.IntegrationTests.PodWatcher;
using Kuik.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.Setup;

/// <summary>The init container's process, with pod-watcher's own rights.</summary>
[Collection(nameof(Cluster))]
public sealed class SetupCommandTests(Cluster cluster)
{
    [Fact]
    public async Task It_makes_everything_that_a_pod_watcher_needs_and_changes_nothing_when_it_runs_again()
    {
        await using var world = await SetupWorld.In(cluster);
        await world.ApplyWebhook();
        var database = await (await Postgres.Shared()).NewDatabase();

        var first = await Task.WhenAll(Run(world, database), Run(world, database));
        var (before, bundle) = (await world.Versions(), await world.CaBundle());
        var second = await Run(world, database);

        Assert.All([.. first, second], run => Assert.True(run.Code == 0, run.Log));
        Assert.Equal(11, (await world.Secret("kuik-credentials"))!.Count);
        Assert.Equal((before, bundle), (await world.Versions(), await world.CaBundle()));
        await using var postgres = NpgsqlDataSource.Create(database);
        await using var version = postgres.CreateCommand("select max(version) from kuik.schema_version");
        Assert.Equal(Kuik.EventLog.EventLogSchema.Version, await version.ExecuteScalarAsync());
        var passwords = (await world.Secret("kuik-credentials"))!.Where(one => one.Key.EndsWith("password", StringComparison.Ordinal));
        foreach (var (_, password) in passwords)
            Assert.All([.. first, second], run => Assert.DoesNotContain(password, run.Log, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_refusal_is_one_sentence_and_exit_code_70()
    {
        await using var world = await SetupWorld.In(cluster);
        var wrong = new NpgsqlConnectionStringBuilder(await (await Postgres.Shared()).NewDatabase());
        (wrong.Username, wrong.Password) = ("kuik_no_such_role", "x");

        var run = await Run(world, wrong.ConnectionString);

        Assert.Equal(70, run.Code);
        Assert.Single(run.Log.Split('\n'), line => line.Contains("setup is refused: Postgres at", StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", run.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_namespace_that_does_not_exist_or_may_not_be_used_is_one_sentence_and_exit_code_70()
    {
        await using var world = await SetupWorld.In(cluster);

        var run = await Run(world, "Host=127.0.0.1;Database=none;Username=none", ("Kuik:Namespace", "elsewhere"));

        Assert.Equal(70, run.Code);
        Assert.Contains("apply the RBAC of this version", run.Log, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Log)> Run(SetupWorld world, string database, params (string Key, string Value)[] more)
    {
        var settings = new Dictionary<string, string?> { ["KUBECONFIG"] = world.Kubeconfig, ["ConnectionStrings:Postgres"] = database };
        foreach (var (key, value) in more)
            settings[key] = value;
        var options = new KuikServiceOptions { Settings = settings, WaitFor = null, Arguments = ["setup"] };
        var setup = await KuikService.Start("PodWatcher", options);
        return (await setup.Ended(), setup.Log);
    }
}
