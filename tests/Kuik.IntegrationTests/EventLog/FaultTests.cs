using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>Statements that fail while the server answers.</summary>
public class FaultTests
{
    private static readonly CancellationToken Any = CancellationToken.None;

    [Fact]
    public async Task Four_hundred_decisions_that_append_to_two_new_streams_in_opposite_orders_are_all_recorded()
    {
        await using var host = await Start();
        var outcomes = new ConcurrentBag<string>();

        for (var round = 0; round < 200; round++)
        {
            var (a, b) = ($"docker.io/library/a:{round}", $"docker.io/library/b:{round}");
            using var both = new Barrier(2);
            await Task.WhenAll(Request(both, a, b), Request(both, b, a));
        }

        Assert.Equal(["400 recorded"], outcomes.GroupBy(outcome => outcome).Select(group => $"{group.Count()} {group.Key}"));
        Assert.Equal(400L, await host.Ask<long>("select count(*) from kuik.mt_events where type = 'RequestedByPull'"));

        async Task Request(Barrier both, params string[] images)
        {
            var isFirst = true;
            try
            {
                await host.Transactions.Execute(async log =>
                {
                    foreach (var image in images)
                    {
                        var stream = await log.Read(StreamName.OfImage(image), 0, (count, _) => count + 1, Any);
                        if (stream.State == 0)
                            stream.Append(new RequestedByPull(image, DateTimeOffset.UtcNow));
                    }
                    if (isFirst)
                        await Task.Run(() => both.SignalAndWait(5000));
                    isFirst = false;
                }, Any);
                outcomes.Add("recorded");
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                outcomes.Add($"{e.GetType().Name}: {e.Message}");
            }
        }
    }

    [Fact]
    public async Task A_full_disk_is_named_and_is_over_as_soon_as_there_is_space_again()
    {
        await using var host = await Start();
        await host.Execute("""
            create function kuik.full_disk() returns trigger language plpgsql as $$
            begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
            create trigger full_disk before insert on kuik.mt_events for each row execute function kuik.full_disk()
            """);

        var fault = await Assert.ThrowsAnyAsync<Exception>(() => host.AppendRequest("nginx:1"));

        Assert.True(EventLogFault.MeansAway(fault));
        Assert.Equal("could not extend file: No space left on device", EventLogFault.ReasonOf(fault));
        Assert.True(await host.Ready() is (503, var body)
            && body.Contains("could not extend file: No space left on device", StringComparison.Ordinal), "it says so");
        await host.Execute("drop trigger full_disk on kuik.mt_events");
        await host.AppendRequest("nginx:1");
        Assert.Equal(200, (await host.Ready()).Status);
    }

    [Fact]
    public async Task While_Postgres_is_read_only_nothing_ends_nothing_is_published_again_and_the_relay_goes_on_by_itself_afterwards()
    {
        var postgres = await (await Postgres.Shared()).NewDatabase();
        var rabbit = await (await RabbitMq.Shared()).NewVirtualHost();
        var inbox = new Inbox();
        await using var listener = await LogHost.Start("listener", postgres, add: LogHost.Listening(rabbit, inbox));
        await using var relay = await LogHost.Start("relay", postgres, add: LogHost.Relaying(rabbit));
        await listener.AppendRequest("before:1");
        await Eventually.True(() => inbox.Requested.Contains("before:1"), "the first arrived");

        await SetReadOnly(postgres, true);

        await Eventually.True(async () => await relay.Ready() is (503, var body)
            && body.Contains("takes no writes", StringComparison.Ordinal), "it says so");
        await Eventually.True(() => relay.Log.Any(line => line.Contains("default_transaction_read_only is on", StringComparison.Ordinal)),
            "and why");
        await Eventually.True(async () => await Record.ExceptionAsync(() => listener.AppendRequest("meanwhile:1")) is { } fault
            && EventLogFault.MeansAway(fault) && EventLogFault.KindOf(fault) == PostgresErrorCodes.ReadOnlySqlTransaction,
            "a decision is told so");
        await SetReadOnly(postgres, false);
        await Eventually.True(async () => await Record.ExceptionAsync(() => listener.AppendRequest("after:1")) is null,
            "decisions are recorded again");
        await Eventually.True(() => inbox.Requested.Contains("after:1"), "it went on");
        await Eventually.True(async () => (await relay.Ready()).Status == 200, "it is ready again");
        Assert.Equal(2, inbox.Messages.Count);
    }

    [Fact]
    public async Task Times_in_the_log_are_right_whatever_time_zone_the_database_has()
    {
        var postgres = await (await Postgres.Shared()).NewDatabase();
        await Sql(postgres, "do $$ begin execute format('alter database %I set timezone = %L', current_database(), 'Asia/Tokyo'); end $$");
        await using var host = await LogHost.Start("test", postgres);

        await host.AppendRequest("tokyo:1");

        var off = await host.Ask<double>("select abs(extract(epoch from clock_timestamp() - timestamp))::float8 from kuik.mt_events");
        Assert.InRange(off, 0, 120);
    }

    [Fact]
    public async Task A_fault_of_the_program_ends_the_process_with_a_code_that_is_not_zero()
    {
        var postgres = await (await Postgres.Shared()).NewDatabase();
        var rabbit = await (await RabbitMq.Shared()).NewVirtualHost();
        await using (var host = await LogHost.Start("test", postgres))
            await host.AppendRequest("nginx:1");
        await Sql(postgres, "alter table kuik.mt_events rename column seq_id to another");

        var process = RelayTests.StartRelayProcess("broken", postgres, rabbit);

        await Eventually.True(() => process.HasExited, "it has ended");
        Assert.Equal(70, process.ExitCode);
        Assert.Contains("seq_id", process.Log, StringComparison.Ordinal);
    }

    private static async Task<LogHost> Start()
    {
        var host = await LogHost.Start("test", await (await Postgres.Shared()).NewDatabase());
        await host.Services.GetRequiredService<EventLogReady>().Wait(Any);
        return host;
    }

    /// <summary>As after a failover to a standby: all sessions end, new ones may not write.</summary>
    private static Task SetReadOnly(string postgres, bool isReadOnly) => Sql(postgres, $"""
        do $$ begin execute format('alter database %I set default_transaction_read_only = {(isReadOnly ? "on" : "off")}', current_database()); end $$;
        select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
        """);

    private static async Task Sql(string postgres, string sql)
    {
        await using var connection = new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(postgres)
            { Pooling = false, Options = "-c default_transaction_read_only=off" }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
