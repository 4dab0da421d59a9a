using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher;
using Kuik.IntegrationTests.EventLog;
using Kuik.IntegrationTests.Registries;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

public sealed class LeaseRenewerTests
{
    private const string Image = "docker.io/library/nginx:1";
    private static readonly FetcherOptions Us = new("fetcher-0:8080", TimeSpan.FromMinutes(2), 3);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_replica_whose_clock_is_off_holds_its_lease_by_the_clock_of_Postgres_until_it_gives_it_back()
    {
        await using var host = await Start();
        var hourAhead = new ShiftedTime();
        hourAhead.Advance(TimeSpan.FromHours(1));
        await Claim(host, attempt: 1);

        var held = await Find(host);
        await new LeaseRenewer(host.Postgres, Us, hourAhead, NullLogger<LeaseRenewer>.Instance).GiveBack(Image, attempt: 1);

        Assert.Equal(new WorkLease(1, Us.Name, IsLive: true), held);
        Assert.Equal(new WorkLease(1, null, IsLive: false), await Find(host));
    }

    [Fact]
    public async Task A_lease_is_renewed_while_the_copy_goes_on_and_is_not_in_the_log()
    {
        await using var host = await Start();
        var (time, copied) = (new FakeTimeProvider(), new TaskCompletionSource<int>());
        await Claim(host, attempt: 1);
        await host.Ask<object?>("update kuik.work set lease_until = now() - interval '1 second'");

        var copy = new LeaseRenewer(host.Postgres, Us, time, NullLogger<LeaseRenewer>.Instance).While(Image, 1, () => copied.Task);
        await Eventually.True(async () =>
        {
            time.Advance(Us.Lease / 2);
            return await Find(host) is { IsLive: true };
        }, "it is renewed");
        copied.SetResult(1);
        await copy;

        Assert.Equal(0L, await host.Ask<long>("select count(*) from kuik.mt_events"));
    }

    [Fact]
    public async Task A_replica_that_has_lost_its_claim_neither_renews_nor_gives_back_that_of_another_one()
    {
        await using var host = await Start();
        var lease = new LeaseRenewer(host.Postgres, Us, TimeProvider.System, NullLogger<LeaseRenewer>.Instance);
        await Claim(host, attempt: 2);

        await lease.GiveBack(Image, attempt: 1);

        Assert.False(await WorkTable.Renew(host.Postgres, WorkKind.Fetch, Image, attempt: 1, Us.Lease, Stop));
        Assert.Equal(new WorkLease(2, Us.Name, IsLive: true), await Find(host));
    }

    [Fact]
    public async Task A_renewal_that_fails_does_not_lose_a_finished_copy()
    {
        await using var postgres = NpgsqlDataSource.Create(await (await Postgres.Shared()).NewDatabase());
        await using (var drop = postgres.CreateCommand("drop schema if exists kuik cascade"))
            await drop.ExecuteNonQueryAsync(Stop);
        var (time, copied) = (new FakeTimeProvider(), new TaskCompletionSource<string>());
        var log = new KeptLog();

        var copy = new LeaseRenewer(postgres, Us, time, new LoggerOf(log)).While(Image, 1, () => copied.Task);
        await Eventually.True(() =>
        {
            time.Advance(Us.Lease / 2);
            return log.Lines.Any(line => line.Contains("could not be renewed", StringComparison.Ordinal));
        }, "a renewal has failed");
        copied.SetResult("the copy");

        Assert.Equal("the copy", await copy);
    }

    private static async Task<LogHost> Start()
    {
        var host = await LogHost.Start("test", await (await Postgres.Shared()).NewDatabase());
        await host.Services.GetRequiredService<EventLogReady>().Wait(Stop);
        return host;
    }

    private static Task Claim(LogHost host, long attempt) => host.Transactions.Execute(
        transaction => WorkTable.Claim(transaction.Connection, WorkKind.Fetch, Image, attempt, Us.Name, Us.Lease, Stop), Stop);

    private static Task<WorkLease?> Find(LogHost host) => host.Transactions.Execute(
        transaction => WorkTable.FindLease(transaction.Connection, WorkKind.Fetch, Image, Stop), Stop);

    private sealed class LoggerOf(KeptLog log) : Microsoft.Extensions.Logging.ILogger<LeaseRenewer>
    {
        private readonly Microsoft.Extensions.Logging.ILogger _logger = log.CreateLogger("LeaseRenewer");

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(Microsoft.Extensions.Logging.LogLevel logLevel) => true;

        public void Log<TState>(Microsoft.Extensions.Logging.LogLevel level, Microsoft.Extensions.Logging.EventId id, TState state,
            Exception? exception, Func<TState, Exception?, string> formatter) =>
            _logger.Log(level, id, state, exception, formatter);
    }
}
