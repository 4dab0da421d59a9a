using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// Takes one advisory lock for one caller of this process at a time, in turn with other processes: a second lock, the queue, is held
/// while waiting for the first one and released with it. A process that has just released the lock finds the queue held by the
/// waiting process, and comes after it.
/// </summary>
internal sealed class LockQueue(LockSession session, string name, bool isShared, TimeProvider time)
{
    /// <summary>The time between two attempts, while another process holds the lock.</summary>
    internal static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly long _key = AdvisoryLocks.KeyOf(name);
    private readonly long _queue = AdvisoryLocks.KeyOf(name + "/queue");
    private readonly string _suffix = isShared ? "_shared" : "";

    /// <summary>
    /// True when no process waits for the lock in a way that excludes this one. Called by a process that shares the lock already.
    /// </summary>
    /// <exception cref="NpgsqlException">Postgres is unreachable.</exception>
    public async Task<bool> IsOpen(CancellationToken ct) =>
        (await session.Execute(
            $"select case when pg_try_advisory_lock{_suffix}($1) then pg_advisory_unlock{_suffix}($1) else false end", [_queue], ct))
                .Value is true;

    /// <summary>Takes the lock, waiting for it. Not for concurrent callers.</summary>
    /// <exception cref="NpgsqlException">Postgres is unreachable.</exception>
    public async Task<HeldLock> Take(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(Interval, time);
        NpgsqlConnection? queued = null;
        try
        {
            while (true)
            {
                var (isTaken, on) = queued is null ? await TryBoth(ct) : await TryAgain(queued, ct);
                queued = isTaken == false ? on : null;
                if (isTaken == true)
                    return new HeldLock(session, on!, $"select pg_advisory_unlock{_suffix}($1)", _key);
                await timer.WaitForNextTickAsync(ct);
            }
        }
        finally
        {
            if (queued is not null)
                await LeaveQueue(queued);
        }
    }

    /// <returns>Null: not even the queue was free. False: the queue is held. True: the lock is held, and the queue released.</returns>
    private async Task<(bool? IsTaken, NpgsqlConnection? On)> TryBoth(CancellationToken ct)
    {
        var sql = $"select case when pg_try_advisory_lock{_suffix}($2) then {TryLock} end";
        var (value, on) = await session.Execute(sql, [_key, _queue], ct);
        return (value as bool?, on);
    }

    private async Task<(bool? IsTaken, NpgsqlConnection? On)> TryAgain(NpgsqlConnection queued, CancellationToken ct)
    {
        try
        {
            return (await session.ExecuteOn(queued, $"select {TryLock}", [_key, _queue], ct) as bool?, queued);
        }
        catch (NpgsqlException)
        {
            // the place in the queue is lost with the connection; the next attempt shows whether Postgres is reachable
            return (null, null);
        }
    }

    private string TryLock => $"case when pg_try_advisory_lock{_suffix}($1) then pg_advisory_unlock{_suffix}($2) else false end";

    private async Task LeaveQueue(NpgsqlConnection queued)
    {
        try
        {
            await session.ExecuteOn(queued, $"select pg_advisory_unlock{_suffix}($1)", [_queue], CancellationToken.None);
        }
        catch (NpgsqlException)
        {
            // The connection is lost, and the place in the queue with it.
        }
    }
}
