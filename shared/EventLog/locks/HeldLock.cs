using Npgsql;

namespace Kuik.EventLog;

/// <summary>An advisory lock that this process holds on its <see cref="LockSession"/>, until it is disposed or the connection is
/// lost.</summary>
public sealed class HeldLock : IAsyncDisposable
{
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(1);

    private readonly LockSession _session;
    private readonly NpgsqlConnection _connection;
    private readonly string _unlock;
    private readonly long _key;
    private int _isReleased;

    internal HeldLock(LockSession session, NpgsqlConnection connection, string unlock, long key) =>
        (_session, _connection, _unlock, _key) = (session, connection, unlock, key);

    /// <summary>Checks that the lock is still held; call it right before each step that it protects.</summary>
    /// <exception cref="NpgsqlException">The connection is lost, and the lock with it.</exception>
    public Task EnsureHeld(CancellationToken ct) => _session.ExecuteOn(_connection, "select 1", [], ct);

    /// <summary>
    /// Runs work that cannot call <see cref="EnsureHeld"/> itself, such as another process: its token is cancelled within two seconds after
    /// the lock is lost (and <see cref="LockSession.Silence"/> if Postgres stops answering).
    /// </summary>
    /// <param name="work">Must end at once when its token is cancelled.</param>
    /// <param name="time">The clock of the checks, one a second.</param>
    /// <param name="ct">Cancels the work too.</param>
    /// <exception cref="NpgsqlException">The lock was lost before the work had ended.</exception>
    public async Task RunWhileHeld(Func<CancellationToken, Task> work, TimeProvider time, CancellationToken ct)
    {
        await EnsureHeld(ct);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var working = work(stop.Token);
        try
        {
            using var timer = new PeriodicTimer(CheckInterval, time);
            while (await Task.WhenAny(working, timer.WaitForNextTickAsync(ct).AsTask()) != working)
            {
                ct.ThrowIfCancellationRequested();
                await EnsureHeld(ct);
            }
        }
        catch
        {
            await stop.CancelAsync();
            await working.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
        await working;
        await EnsureHeld(ct);   // the last step was protected as well
    }

    /// <summary>Releases the lock, unless the connection is lost.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isReleased, 1) == 1)
            return;
        try
        {
            await _session.ExecuteOn(_connection, _unlock, [_key], CancellationToken.None);
        }
        catch (Exception e) when (e is NpgsqlException or ObjectDisposedException)
        {
            // Postgres has released it with its session.
        }
    }
}
