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

public sealed class KeepLeaseTests
{
    private const string Image = "docker.io/library/nginx:1";
    private static readonly FetcherSettings Us = new("fetcher-0:8080", TimeSpan.FromMinutes(2), 3);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_replica_whose_clock_is_off_gives_its_lease_back_by_the_clock_of_Postgres()
    {
        await using var host = await Start();
        var hourAhead = new ShiftedTime();
        hourAhead.Advance(TimeSpan.FromHours(1));
        await host.Transactions.Run(async transaction =>
        {
            var (stream, now) = (await Read(transaction), await transaction.Now(Stop));
            stream.Append(new ImageFetchStarted(Image, Us.Name, now + Us.Lease, now));
        }, Stop);

        await new KeepLease(host.Transactions, Us, hourAhead, NullLogger<KeepLease>.Instance).GiveBack(Image);

        var (returned, postgres) = await host.Transactions.Run(async transaction => ((await Read(transaction)).State, await transaction.Now(Stop)), Stop);
        Assert.InRange(postgres - returned!.LeaseUntil, TimeSpan.Zero, TimeSpan.FromMinutes(5));
        Assert.False(returned.IsRenewal);
    }

    [Fact]
    public async Task A_renewal_that_fails_in_a_way_that_was_not_foreseen_does_not_hide_a_finished_copy()
    {
        var ready = new EventLogReady();
        ready.Set();
        await using var postgres = NpgsqlDataSource.Create(await (await Postgres.Shared()).NewDatabase());
        var broken = new EventLogTransactions(null!, postgres, ready, "test");
        var (time, copied) = (new FakeTimeProvider(), new TaskCompletionSource<string>());
        var log = new KeptLog();

        var copy = new KeepLease(broken, Us, time, new LoggerOf(log)).While(Image, () => copied.Task);
        await Eventually.True(() =>
        {
            time.Advance(Us.Lease / 2);
            return log.Lines.Any(line => line.Contains("could not be recorded", StringComparison.Ordinal));
        }, "a renewal has failed");
        copied.SetResult("the copy");

        Assert.Equal("the copy", await copy);
    }

    [Fact]
    public async Task A_renewal_is_told_apart_from_a_claim()
    {
        await using var host = await Start();
        var (time, copied) = (new FakeTimeProvider(), new TaskCompletionSource<int>());
        await host.Transactions.Run(async transaction =>
        {
            var (stream, now) = (await Read(transaction), await transaction.Now(Stop));
            stream.Append(new ImageFetchStarted(Image, Us.Name, now + Us.Lease, now));
        }, Stop);

        var copy = new KeepLease(host.Transactions, Us, time, NullLogger<KeepLease>.Instance).While(Image, () => copied.Task);
        await Eventually.True(async () =>
        {
            time.Advance(Us.Lease / 2);
            return await host.Transactions.Run(async transaction => (await Read(transaction)).State!.IsRenewal, Stop);
        }, "it is renewed");
        copied.SetResult(1);
        await copy;
    }

    private static async Task<LogHost> Start()
    {
        var host = await LogHost.Start("test", await (await Postgres.Shared()).NewDatabase());
        await host.Services.GetRequiredService<EventLogReady>().Wait(Stop);
        return host;
    }

    private static Task<EventStream<ImageFetchStarted?>> Read(EventLogTransaction transaction) =>
        transaction.Read<ImageFetchStarted?>(StreamName.OfImage(Image), null, (last, fact) => fact as ImageFetchStarted ?? last, Stop);

    private sealed class LoggerOf(KeptLog log) : Microsoft.Extensions.Logging.ILogger<KeepLease>
    {
        private readonly Microsoft.Extensions.Logging.ILogger _logger = log.CreateLogger("KeepLease");

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(Microsoft.Extensions.Logging.LogLevel logLevel) => true;

        public void Log<TState>(Microsoft.Extensions.Logging.LogLevel level, Microsoft.Extensions.Logging.EventId id, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _logger.Log(level, id, state, exception, formatter);
    }
}
