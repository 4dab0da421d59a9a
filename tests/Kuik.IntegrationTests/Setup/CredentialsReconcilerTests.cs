using Kuik.IntegrationTests.PodWatcher;
using Kuik.PodWatcher.Setup;
using Kuik.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.Setup;

/// <summary>The Secret kuik-credentials, which lives and dies with the database that was made with it.</summary>
[Collection(nameof(Cluster))]
public sealed class CredentialsReconcilerTests(Cluster cluster)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_is_created_once_however_many_ask_at_the_same_time()
    {
        await using var world = await SetupWorld.In(cluster);

        var seen = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => world.Credentials().Reconcile(Stop), Stop)));

        var stored = await world.Secret("kuik-credentials");
        Assert.All(seen, one => Assert.Equal(stored!.OrderBy(key => key.Key), one.OrderBy(key => key.Key)));
    }

    [Fact]
    public async Task A_key_that_is_missing_is_added_and_what_is_there_stays()
    {
        await using var world = await SetupWorld.In(cluster);
        var before = await world.Credentials().Reconcile(Stop);
        await world.PatchSecret("""[{"op":"remove","path":"/data/node-token"},{"op":"add","path":"/data/mine","value":"bWluZQ=="}]""");

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => world.Credentials().Reconcile(Stop), Stop)));

        var after = await world.Secret("kuik-credentials");
        Assert.Equal(43, after!["node-token"].Length);
        Assert.Equal("mine", after["mine"]);
        Assert.All(before.Where(one => one.Key != "node-token"), one => Assert.Equal(one.Value, after[one.Key]));
    }

    [Fact]
    public async Task When_it_is_gone_and_its_database_is_on_a_volume_no_new_password_is_made()
    {
        await using var world = await SetupWorld.In(cluster);
        await world.CreateClaim();
        await world.Credentials().Reconcile(Stop);   // the StatefulSet makes its claim before the first setup has ended
        await world.Credentials().MarkVolume(Stop);
        await world.Credentials().MarkVolume(Stop);
        await world.DeleteSecret("kuik-credentials");

        var refused = await Assert.ThrowsAsync<SetupRefusedException>(() => world.Credentials().Reconcile(Stop));

        Assert.Contains("restore the Secret from a backup", refused.Message, StringComparison.Ordinal);
        Assert.Null(await world.Secret("kuik-credentials"));
        var external = await world.Credentials(world.Options with { ExternalPostgres = "Host=elsewhere" }).Reconcile(Stop);
        Assert.Equal(43, external["registry-password"].Length);   // nothing of an external database is in it
    }

    [Fact]
    public async Task When_only_the_password_is_gone_from_it_no_new_one_is_made_either()
    {
        await using var world = await SetupWorld.In(cluster);
        await world.CreateClaim();
        await world.Credentials().Reconcile(Stop);
        await world.Credentials().MarkVolume(Stop);
        await world.PatchSecret("""[{"op":"remove","path":"/data/postgres-password"},{"op":"remove","path":"/data/postgres"}]""");

        var refused = await Assert.ThrowsAsync<SetupRefusedException>(() => world.Credentials().Reconcile(Stop));

        Assert.Contains("has lost its key postgres-password", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task When_it_is_gone_and_Postgres_answers_no_new_password_is_made()
    {
        await using var world = await SetupWorld.In(cluster);
        var running = new NpgsqlConnectionStringBuilder(await (await Postgres.Shared()).NewDatabase());
        var options = world.Options with { PostgresHost = $"{running.Host}:{running.Port}" };

        var refused = await Assert.ThrowsAsync<SetupRefusedException>(() => world.Credentials(options).Reconcile(Stop));

        Assert.Contains("and Postgres answers at", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_password_that_the_database_refuses_is_a_sentence_and_no_reason_to_wait()
    {
        var database = new NpgsqlConnectionStringBuilder(await (await Postgres.Shared()).NewDatabase());
        var role = $"kuik_setup_{Environment.ProcessId}";
        await using (var postgres = NpgsqlDataSource.Create(database.ConnectionString))
        await using (var create = postgres.CreateCommand($"create role {role} login password 'right'"))
            await create.ExecuteNonQueryAsync(Stop);
        var wrong = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = role, Password = "wrong" };
        var right = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = role, Password = "right" };

        await DatabaseLogin.LogIn(right.ConnectionString, "Secret x", Stop);
        var refused = await Assert.ThrowsAsync<SetupRefusedException>(() => DatabaseLogin.LogIn(wrong.ConnectionString, "Secret x", Stop));

        Assert.Contains($"refuses the user {role} and the password of Secret x", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_registry_accepts_the_passwords_with_their_htpasswd_files()
    {
        await using var world = await SetupWorld.In(cluster);
        var made = await world.Credentials().Reconcile(Stop);

        foreach (var (user, key) in new[] { ("image-fetcher", "registry"), ("node-proxy", "registry-read") })
        {
            var options = new RegistryOptions { Credentials = (user, made[$"{key}-password"]), Htpasswd = made[$"{key}-htpasswd"] };
            var registry = await Registry.Start(options);
            using var http = registry.Client("any");
            using var answer = await http.GetAsync(new Uri("/v2/", UriKind.Relative), Stop);
            Assert.Equal(200, (int)answer.StatusCode);
            await registry.Stop();
        }
    }
}
