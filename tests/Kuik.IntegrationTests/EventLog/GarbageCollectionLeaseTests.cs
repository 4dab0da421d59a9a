using Kuik.EventLog;
using Kuik.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>Writers and a garbage collection on a real Postgres. Each <see cref="LockSession"/> is what a process has.</summary>
public sealed class GarbageCollectionLeaseTests : IAsyncLifetime
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    private readonly List<LockSession> _sessions = [];
    private string _database = "";

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _database = await (await Postgres.Shared()).NewDatabase();

    public async ValueTask DisposeAsync()
    {
        foreach (var session in _sessions)
            await session.DisposeAsync();
    }

    [Fact]
    public async Task Writers_of_several_processes_share_it_each_process_holding_it_once()
    {
        var (one, other) = (Process(), Process());
        var shares = new List<WriteShare>();
        for (var i = 0; i < 20; i++)
            shares.Add(await (i % 2 == 0 ? one : other).ShareForWriting(Stop));

        Assert.Equal(2, await Holders("ShareLock"));

        foreach (var share in shares)
            await share.DisposeAsync();
        Assert.Equal(0, await Holders("ShareLock"));
    }

    [Fact]
    public async Task A_collection_waits_for_the_writers_that_have_begun_and_those_that_come_wait_for_the_collection()
    {
        var (writers, others, collector) = (Process(), Process(), Process());
        var begun = await writers.ShareForWriting(Stop);

        var collection = collector.TakeForCollection(Soon, Stop);
        await Eventually.True(async () => await Asked() == 1, "the collection has asked");
        var later = others.ShareForWriting(Stop);
        await begun.EnsureHeld(Stop);
        Assert.False(collection.IsCompleted);
        await begun.DisposeAsync();
        var held = await collection.WaitAsync(Soon, Stop);
        Assert.False(later.IsCompleted);
        await held!.DisposeAsync();

        await (await later.WaitAsync(Soon, Stop)).DisposeAsync();
    }

    [Fact]
    public async Task A_collection_is_not_starved_by_writers_of_one_process_that_never_pause()
    {
        var (writers, collector) = (Process(), Process());
        using var enough = new CancellationTokenSource();
        var endless = Enumerable.Range(0, 8).Select(i => Task.Run(async () =>
        {
            while (!enough.IsCancellationRequested)
                await using (await writers.ShareForWriting(Stop))
                    await Task.Delay(20 + 10 * i, Stop);   // overlapping: there is always one that writes
        }, Stop)).ToList();
        await Eventually.True(async () => await Holders("ShareLock") == 1, "they write");

        var held = await collector.TakeForCollection(Soon, Stop);

        Assert.NotNull(held);
        await held.DisposeAsync();
        await enough.CancelAsync();
        await Task.WhenAll(endless).WaitAsync(Soon, Stop);
    }

    [Fact]
    public async Task A_collection_that_loses_patience_lets_the_writers_go_on()
    {
        var (writers, collector) = (Process(), Process());
        await using var endless = await writers.ShareForWriting(Stop);

        Assert.Null(await collector.TakeForCollection(TimeSpan.FromSeconds(1), Stop));

        await (await Process().ShareForWriting(Stop).WaitAsync(Soon, Stop)).DisposeAsync();
    }

    [Fact]
    public async Task A_collection_whose_connection_breaks_may_not_delete_any_more_and_the_writers_go_on()
    {
        var (writers, collector) = (Process(), Process());
        var held = (await collector.TakeForCollection(Soon, Stop))!;
        var waiting = writers.ShareForWriting(Stop);
        var deleting = new TaskCompletionSource();
        var isStopped = false;
        var collection = held.RunWhileHeld(async stop =>
        {
            deleting.SetResult();
            try
            {
                await Task.Delay(Timeout.Infinite, stop);
            }
            finally
            {
                isStopped = true;
            }
        }, TimeProvider.System, Stop);
        await deleting.Task;

        await Kill("ExclusiveLock");

        await Assert.ThrowsAnyAsync<NpgsqlException>(() => collection.WaitAsync(Soon, Stop));
        Assert.True(isStopped);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => held.EnsureHeld(Stop));
        await (await waiting.WaitAsync(Soon, Stop)).DisposeAsync();
    }

    [Fact]
    public async Task A_writer_whose_connection_breaks_notices_and_the_next_one_of_its_process_shares_anew()
    {
        var (writers, collector) = (Process(), Process());
        var lost = await writers.ShareForWriting(Stop);
        await Kill("ShareLock");

        await Assert.ThrowsAnyAsync<NpgsqlException>(() => lost.EnsureHeld(Stop));
        await Eventually.True(async () =>
        {
            await using var next = await writers.ShareForWriting(Stop);
            return await Holders("ShareLock") == 1;
        }, "the process has a share again");

        await lost.DisposeAsync();
        await using var held = await collector.TakeForCollection(Soon, Stop);
        Assert.NotNull(held);
    }

    [Fact]
    public async Task What_a_writer_that_is_gone_has_lost_is_not_given_up_twice()
    {
        var writers = Process();
        var lost = await writers.ShareForWriting(Stop);
        await Kill("ShareLock");
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => lost.EnsureHeld(Stop));
        WriteShare? next = null;
        await Eventually.True(async () =>
        {
            next = await writers.ShareForWriting(Stop);
            if (await Holders("ShareLock") == 1)
                return true;
            await next.DisposeAsync();
            return false;
        }, "the process has a share again");

        await lost.DisposeAsync();

        await next!.EnsureHeld(Stop);
        Assert.Equal(1, await Holders("ShareLock"));
        await next.DisposeAsync();
    }

    [Fact]
    public async Task Without_Postgres_nothing_is_collected()
    {
        await using var session = new LockSession($"Host=127.0.0.1;Port={FreePort.Next()};Username=nobody;Database=none", TimeProvider.System);

        await Assert.ThrowsAnyAsync<NpgsqlException>(() => new GarbageCollectionLease(session, TimeProvider.System).TakeForCollection(Soon, Stop));
    }

    private GarbageCollectionLease Process()
    {
        _sessions.Add(new LockSession(_database, TimeProvider.System));
        return new GarbageCollectionLease(_sessions[^1], TimeProvider.System);
    }

    private Task<object> Kill(string mode) => Ask<object>($"select pg_terminate_backend(pid) {Of("garbage-collection")} and mode = '{mode}'");

    private Task<long> Holders(string mode) => Ask<long>($"select count(*) {Of("garbage-collection")} and mode = '{mode}'");

    private Task<long> Asked() => Ask<long>($"select count(*) {Of("garbage-collection/queue")}");

    private static string Of(string name) => $"""
        from pg_locks join pg_database on pg_database.oid = pg_locks.database
        where datname = current_database() and locktype = 'advisory' and granted and (classid::bigint << 32) | objid::bigint = {AdvisoryLocks.KeyOf(name)}
        """;

    private async Task<T> Ask<T>(string sql)
    {
        await using var postgres = NpgsqlDataSource.Create(_database);
        await using var command = postgres.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync(Stop))!;
    }
}
