using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

public class StartTests
{
    [Fact]
    public async Task A_service_starts_without_Postgres_says_so_in_one_line_and_is_ready_when_it_answers()
    {
        var server = await Postgres.StartOwn();
        var postgres = await MigratedDatabase.New(server);
        await server.Stop();

        await using var host = await LogHost.Start("test", postgres, isMigrated: false);
        var append = host.AppendRequest("nginx:1");
        await Eventually.True(() => host.Log.Any(line => line.Contains("does not answer", StringComparison.Ordinal)), "it has said so");
        Assert.Equal(503, (await host.Ready()).Status);
        Assert.False(append.IsCompleted);
        await server.Start();

        await append;
        Assert.Equal(200, (await host.Ready()).Status);
        var lines = host.Log.Where(line => line.Contains("Postgres", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, lines.Count);
        const string said = @"^Warning .*: Postgres at 127\.0\.0\.1:\d+/\S+ does not answer \(.+\); "
            + "retrying every 2 s, nothing is recorded until it does $";
        Assert.Matches(said, lines[0]);
        Assert.DoesNotContain(host.Log, line => line.Contains("   at ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Services_that_start_at_once_all_become_ready()
    {
        var postgres = await (await Postgres.Shared()).NewDatabase();

        var hosts = await Task.WhenAll(Enumerable.Range(0, 5).Select(i => LogHost.Start($"service-{i}", postgres)));

        foreach (var host in hosts)
            await host.AppendRequest("nginx:1");
        Assert.Equal(5L, await hosts[0].Ask<long>("select count(*) from kuik.mt_events"));
        foreach (var host in hosts)
            await host.DisposeAsync();
    }

    [Fact]
    public async Task A_service_starts_without_the_broker_and_is_degraded()
    {
        var postgres = await (await Postgres.Shared()).NewDatabase();

        await using var host = await LogHost.Start("test", postgres,
            add: LogHost.Listening($"amqp://kuik:secret@127.0.0.1:{FreePort.Next()}/none", new Inbox()));

        await Eventually.True(() => host.Log.Any(line => line.Contains("RabbitMQ at", StringComparison.Ordinal)), "it has said so");
        await Eventually.True(async () => await host.Ready() is (200, var body) && body.StartsWith("Degraded", StringComparison.Ordinal),
            "it is degraded");
        Assert.DoesNotContain(host.Log, line => line.Contains("secret", StringComparison.Ordinal));
    }
}
