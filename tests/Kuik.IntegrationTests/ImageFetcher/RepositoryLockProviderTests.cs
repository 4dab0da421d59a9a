using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Kuik.EventLog;
using Kuik.ImageFetcher;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>When image-fetcher writes to the cache without a lock, and when it waits: on a real Postgres in the states that a real one can
/// be in.</summary>
public sealed class RepositoryLockProviderTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_full_connection_pool_is_not_taken_for_a_Postgres_that_is_unreachable()
    {
        var database = await (await Postgres.Shared()).NewDatabase();
        await using var pool = NpgsqlDataSource.Create(database + ";Maximum Pool Size=2;Timeout=2");
        await using var first = await pool.OpenConnectionAsync(Stop);
        await using var second = await pool.OpenConnectionAsync(Stop);
        await using var session = new LockSession(database, TimeProvider.System);
        var locks = Locks(session);

        var held = new List<IHeldLock>();
        for (var i = 0; i < 10; i++)
            held.Add(await locks.Take($"a/{i}", Stop));

        Assert.All(held, one => Assert.True(one.ExcludesOthers));
        foreach (var one in held)
            await one.DisposeAsync();
    }

    [Fact]
    public async Task A_copy_goes_on_without_locks_while_Postgres_is_down_and_notices_before_it_writes_that_it_is_back()
    {
        var postgres = await Postgres.StartOwn();
        var database = await postgres.NewDatabase();
        await using var session = new LockSession(database, TimeProvider.System);
        var locks = Locks(session);
        var before = await locks.Take("a/b", Stop);
        await postgres.Stop();

        await Assert.ThrowsAsync<LockLostException>(() => before.EnsureHeld(Stop));
        await before.DisposeAsync();
        var without = await locks.Take("a/b", Stop).WaitAsync(Soon, Stop);
        await using var share = await locks.Share("a/b", Stop).WaitAsync(Soon, Stop);
        await without.EnsureHeld(Stop);
        await share.EnsureHeld(Stop);
        Assert.False(without.ExcludesOthers);

        await postgres.Start();
        await Eventually.True(async () =>
            await Record.ExceptionAsync(() => without.EnsureHeld(Stop)) is LockLostException, "it notices that Postgres is back");
        await using var beside = await locks.Take("a/b", Stop);
        Assert.False(beside.ExcludesOthers, "a writer of this process still goes without the lock: nothing may be deleted beside it");
        await without.DisposeAsync();
        await share.DisposeAsync();
        Assert.True(beside.ExcludesOthers);
        await postgres.Stop();
    }

    [Fact]
    public async Task A_copy_goes_on_without_locks_while_the_database_takes_no_connections()
    {
        var database = await (await Postgres.Shared()).NewDatabase();
        await using var session = new LockSession(database, TimeProvider.System);
        var locks = Locks(session);
        await (await locks.Take("a/b", Stop)).DisposeAsync();
        var name = new NpgsqlConnectionStringBuilder(database).Database;
        await using (var admin = NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(database) { Database = "postgres", Pooling = false }.ConnectionString))
        await using (var close = admin.CreateCommand($"""
            alter database "{name}" allow_connections false;
            select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'
            """))
            await close.ExecuteNonQueryAsync(Stop);

        await using var without = await locks.Take("a/b", Stop).WaitAsync(Soon, Stop);

        Assert.False(without.ExcludesOthers);
        await without.EnsureHeld(Stop);
    }

    [Fact]
    public async Task A_Postgres_without_a_connection_to_spare_is_asked_again()
    {
        var database = await (await Postgres.Shared()).NewDatabase();
        var role = "few_" + Path.GetRandomFileName()[..6];
        await using (var admin = NpgsqlDataSource.Create(database))
        await using (var create = admin.CreateCommand($"create role {role} login password 'few' connection limit 1"))
            await create.ExecuteNonQueryAsync(Stop);
        var limited = new NpgsqlConnectionStringBuilder(database) { Username = role, Password = "few" }.ConnectionString;
        await using var session = new LockSession(limited, TimeProvider.System);
        var other = new NpgsqlConnection(limited + ";Pooling=false");
        await other.OpenAsync(Stop);

        var taken = Locks(session).Take("a/b", Stop);
        await Eventually.True(async () => !await session.IsReachable(Stop), "it is refused");
        Assert.False(taken.IsCompleted);
        await other.DisposeAsync();

        await using var held = await taken.WaitAsync(Soon, Stop);
        Assert.True(held.ExcludesOthers);
    }

    [Fact]
    public async Task A_Postgres_that_accepts_connections_and_says_nothing_is_unreachable_after_a_while_for_all_copies_at_once()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var port = ((IPEndPoint)silent.LocalEndpoint).Port;
        await using var session = new LockSession($"Host=127.0.0.1;Port={port};Username=nobody;Database=none", TimeProvider.System);
        var locks = Locks(session);

        var taken = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => locks.Take($"a/{i}", Stop))).WaitAsync(Soon, Stop);

        Assert.All(taken, one => Assert.False(one.ExcludesOthers));
        await taken[0].EnsureHeld(Stop).WaitAsync(Soon, Stop);
        foreach (var one in taken)
            await one.DisposeAsync();
    }

    [Fact]
    public async Task A_lock_that_another_process_keeps_fails_the_copy_after_a_bound_instead_of_holding_it_up_for_ever()
    {
        var database = await (await Postgres.Shared()).NewDatabase();
        await using var session = new LockSession(database, TimeProvider.System);
        await using var other = new LockSession(database, TimeProvider.System);
        await using var kept = await new RepositoryLocks(other, TimeProvider.System).Take("a/b", Stop);
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();

        var waiting = Locks(session, time).Take("a/b", Stop);
        await Eventually.True(() =>
        {
            time.Advance(TimeSpan.FromMinutes(1));
            return waiting.IsCompleted;
        }, "it has given up");

        var failed = await Assert.ThrowsAsync<CopyException>(() => waiting);
        Assert.Equal((CopyException.Cache, true), (failed.Kind, failed.RetryHelps));
        Assert.Contains("another writer has its lock for 10 min", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Waits_and_writes_without_a_lock_are_counted()
    {
        var meters = Meters();
        var seen = new List<string>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (instrument.Meter.Scope == meters)
                it.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => seen.Add($"{instrument.Name} {tags[0].Value}"));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => seen.Add($"{instrument.Name} {tags[0].Value}"));
        listener.Start();
        await using var session = new LockSession($"Host=127.0.0.1;Port={FreePort.Next()};Username=nobody;Database=none",
            TimeProvider.System);

        await (await Locks(session, meters: meters).Take("a/b", Stop)).DisposeAsync();

        Assert.Equal(["kuik_fetcher_without_lock repository", "kuik_fetcher_lock_wait_seconds repository"], seen);
    }

    private static IMeterFactory Meters() =>
        new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>();

    private static RepositoryLockProvider Locks(LockSession session, TimeProvider? time = null, IMeterFactory? meters = null) => new(
        session, new RepositoryLocks(session, TimeProvider.System), new GarbageCollectionLease(session, TimeProvider.System),
        new FetcherMetrics(meters ?? Meters(), TimeProvider.System),
        time ?? TimeProvider.System, NullLogger<RepositoryLockProvider>.Instance);
}
