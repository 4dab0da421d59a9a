using Kuik.EventLog;
using Kuik.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>Session locks on a real Postgres. Each <see cref="LockSession"/> is what a process has.</summary>
public sealed class LockTests : IAsyncLifetime
{
    private const string Nginx = "docker.io/library/nginx";
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
    public async Task A_repository_is_held_by_one_process_and_is_free_when_its_connection_breaks()
    {
        var (one, other) = (Process(), Process());
        var held = await Locks(one).Take(Nginx, Stop);
        var waiter = Locks(other).Take(Nginx, Stop);
        await using (await Locks(other).Take("docker.io/library/redis", Stop))
            Assert.False(waiter.IsCompleted);

        await Kill("repository/" + Nginx);

        await using var next = await waiter.WaitAsync(Soon, Stop);
        await next.EnsureHeld(Stop);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => held.EnsureHeld(Stop));
        await held.DisposeAsync();
    }

    [Fact]
    public async Task A_process_holds_and_waits_for_a_hundred_repositories_on_one_connection()
    {
        var (one, other) = (Process(), Process());
        var (locks, others) = (Locks(one), Locks(other));
        var repositories = Enumerable.Range(0, 100).Select(i => $"registry.example/team/app{i}").ToList();
        var held = new List<RepositoryLock>();
        foreach (var repository in repositories)
            held.Add(await locks.Take(repository, Stop));

        var waiters = repositories.SelectMany(repository => new[] { others.Take(repository, Stop), others.Take(repository, Stop) }).ToList();
        await Eventually.True(async () => await Ask<long>("select count(*) from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())") == 200, "they stand in the queues");
        Assert.Equal(2L, await Ask<long>("select count(*) from pg_stat_activity where datname = current_database() and application_name = 'kuik-locks'"));

        foreach (var repository in held)
            await repository.DisposeAsync();
        var begun = waiters.ToList();
        while (begun.Count > 0)
        {
            var next = await Task.WhenAny(begun).WaitAsync(Soon, Stop);
            begun.Remove(next);
            await (await next).DisposeAsync();
        }
    }

    [Fact]
    public async Task A_process_that_takes_a_repository_again_and_again_lets_another_one_in()
    {
        var (busy, other) = (Process(), Process());
        var locks = Locks(busy);
        using var enough = new CancellationTokenSource();
        var greedy = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!enough.IsCancellationRequested)
                await using (await locks.Take(Nginx, Stop))
                    await Task.Yield();
        }, Stop)).ToList();

        for (var i = 0; i < 5; i++)
            await (await Locks(other).Take(Nginx, Stop).WaitAsync(Soon, Stop)).DisposeAsync();

        await enough.CancelAsync();
        await Task.WhenAll(greedy);
    }

    [Fact]
    public async Task A_waiter_that_gives_up_leaves_neither_a_lock_nor_a_place_in_the_queue()
    {
        var (one, other) = (Process(), Process());
        var held = await Locks(one).Take(Nginx, Stop);
        using var gone = new CancellationTokenSource();
        var waiter = Locks(other).Take(Nginx, gone.Token);
        await Eventually.True(async () => await Count("repository/" + Nginx + "/queue") == 1, "it stands in the queue");

        await gone.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiter);
        Assert.Equal(0, await Count("repository/" + Nginx + "/queue"));
        await held.DisposeAsync();
        Assert.Equal(0, await Count("repository/" + Nginx));
    }

    [Fact]
    public async Task A_process_that_has_lost_its_connection_takes_the_next_lock_on_a_new_one()
    {
        var process = Process();
        var lost = await Locks(process).Take(Nginx, Stop);
        await Kill("repository/" + Nginx);

        await using var again = await Locks(process).Take("docker.io/library/redis", Stop);

        await again.EnsureHeld(Stop);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => lost.EnsureHeld(Stop));
    }

    [Fact]
    public async Task Callers_of_a_Postgres_that_refuses_do_not_queue_up_for_attempts_of_their_own()
    {
        var port = FreePort.Next();
        await using var session = new LockSession($"Host=127.0.0.1;Port={port};Username=nobody;Database=none", TimeProvider.System);
        var locks = Locks(session);

        var failed = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Record.ExceptionAsync(() => locks.Take($"r/{i}", Stop)).AsTask())).WaitAsync(Soon, Stop);

        Assert.All(failed, error => Assert.IsAssignableFrom<NpgsqlException>(error));
    }

    private static RepositoryLocks Locks(LockSession session) => new(session, TimeProvider.System);

    private LockSession Process()
    {
        _sessions.Add(new LockSession(_database, TimeProvider.System));
        return _sessions[^1];
    }

    private Task<object> Kill(string name) => Ask<object>($"select pg_terminate_backend(pid) {Of(name)}");

    private Task<long> Count(string name) => Ask<long>($"select count(*) {Of(name)}");

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
