using System.Diagnostics;
using System.Globalization;
using Kuik.EventLog;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>
/// The pull secrets of one image or one repository, in a usage table of a large cluster. <c>KUIK_TEST_PODS</c> sets another number of pods.
/// </summary>
public sealed class PullSecretQueryTests
{
    private const string Index = "image_users_repository";

    private static readonly int Pods =
        int.TryParse(Environment.GetEnvironmentVariable("KUIK_TEST_PODS"), CultureInfo.InvariantCulture, out var pods) ? pods : 20_000;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_image_and_one_repository_are_found_by_an_index_however_many_pods_there_are()
    {
        await using var host = await Start(await (await Postgres.Shared()).NewDatabase());
        await Fill(host);
        await using var connection = await host.Postgres.OpenConnectionAsync(Stop);
        string[] secrets = ["a", "b"];

        var (ofImage, ofRepository) = (await Plan(connection, "image = $1", "registry.example:5000/team/app7:1"),
            await Plan(connection, $"{ImageUsers.Repository} = $1", "registry.example:5000/team/app7"));

        Assert.Contains("Index", ofImage, StringComparison.Ordinal);
        Assert.DoesNotContain("Seq Scan", ofImage, StringComparison.Ordinal);
        Assert.Contains(Index, ofRepository, StringComparison.Ordinal);
        var (byImage, byRepository) = (await ImageUsers.PullSecretsOfImage(connection, "registry.example:5000/team/app7:1", Stop),
            await ImageUsers.PullSecretsOfRepository(connection, "registry.example:5000/team/app7", Stop));
        Assert.Equal(secrets, byImage.Select(secret => secret.Name).Distinct());
        Assert.Equal(secrets, byRepository.Select(secret => secret.Name).Distinct());
        await Measure("one image", () => ImageUsers.PullSecretsOfImage(connection, "registry.example:5000/team/app7:1", Stop));
        await Measure("one repository", () => ImageUsers.PullSecretsOfRepository(connection, "registry.example:5000/team/app7", Stop));
    }

    [Theory]
    [InlineData("docker.io/library/nginx:1.27", "docker.io/library/nginx")]
    [InlineData("registry.example:5000/team/app:1", "registry.example:5000/team/app")]
    [InlineData("registry.example:5000/team/app@sha256:0123", "registry.example:5000/team/app")]
    [InlineData("registry.example/team/app@sha512:0123", "registry.example/team/app")]
    public async Task A_repository_is_what_a_reference_names_without_tag_and_digest(string image, string repository)
    {
        await using var postgres = NpgsqlDataSource.Create(await (await Postgres.Shared()).NewDatabase());
        await using var command = postgres.CreateCommand($"select {ImageUsers.Repository} from (values ($1)) as one(image)");
        command.Parameters.Add(new() { Value = image });

        Assert.Equal(repository, await command.ExecuteScalarAsync(Stop));
    }

    [Fact]
    public async Task Tables_of_the_version_before_get_what_is_new_once_and_keep_their_rows()
    {
        var database = await (await Postgres.Shared()).NewDatabase();
        await using (var before = await Start(database))
        {
            await using var old = before.Postgres.CreateCommand($"""
                drop index kuik.{Index}; drop table kuik.pending_sweeps;
                insert into kuik.image_users values ('docker.io/library/nginx:1', 'uid', 'default', 'pod', array['a'])
                """);
            await old.ExecuteNonQueryAsync(Stop);
        }

        await MigratedDatabase.Migrate(database);
        uint added;
        await using (var host = await Start(database))
        {
            added = await host.Ask<uint>($"select oid from pg_class where relname = '{Index}'");
            await using var connection = await host.Postgres.OpenConnectionAsync(Stop);
            Assert.Equal([new PullSecret("default", "a")],
                await ImageUsers.PullSecretsOfRepository(connection, "docker.io/library/nginx", Stop));
            Assert.Equal(0L, await host.Ask<long>("select count(*) from kuik.pending_sweeps"));
        }

        await MigratedDatabase.Migrate(database);
        await using (var again = await Start(database))
            Assert.Equal(added, await again.Ask<uint>($"select oid from pg_class where relname = '{Index}'"));
    }

    private static async Task<LogHost> Start(string database)
    {
        var host = await LogHost.Start("test", database);
        await host.Services.GetRequiredService<EventLogReady>().Wait(Stop);
        return host;
    }

    // Two images of each pod, two secrets, five pods to an image, as in the review's measurement.
    private static async Task Fill(LogHost host)
    {
        await using var fill = host.Postgres.CreateCommand("""
            insert into kuik.image_users (image, pod_uid, namespace, pod_name, pull_secrets)
            select 'registry.example:5000/team/app' || (pod * 2 + one) % ($1 / 5) || ':1',
                'uid-' || pod, 'ns-' || pod % 500, 'pod-' || pod, array['a', 'b']
            from generate_series(1, $1) as pod, generate_series(0, 1) as one;
            """);
        fill.Parameters.Add(new() { Value = Pods });
        fill.CommandTimeout = 300;
        await fill.ExecuteNonQueryAsync(Stop);
        await using var analyze = host.Postgres.CreateCommand("analyze kuik.image_users");
        await analyze.ExecuteNonQueryAsync(Stop);
    }

    private static async Task<string> Plan(NpgsqlConnection connection, string where, string value)
    {
        var query = ImageUsers.PullSecretsQuery(where).Replace("$1", $"'{value}'", StringComparison.Ordinal);
        await using var command = new NpgsqlCommand("explain " + query, connection);
        await using var rows = await command.ExecuteReaderAsync(Stop);
        var plan = new List<string>();
        while (await rows.ReadAsync(Stop))
            plan.Add(rows.GetString(0));
        return string.Join('\n', plan);
    }

    private static async Task Measure(string what, Func<Task> query)
    {
        var times = new List<double>();
        for (var i = 0; i < 21; i++)
        {
            var began = Stopwatch.GetTimestamp();
            await query();
            times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }
        times.Sort();
        TestContext.Current.TestOutputHelper?.WriteLine($"{Pods} pods, {what}: median {times[10]:0.00} ms, highest {times[^1]:0.00} ms");
    }
}
