using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// An advisory lock with a Postgres session of its own, outside of any transaction, held until it is disposed of or its connection breaks.
/// </summary>
/// <remarks>
/// It is only tried, never waited for: to Marten's daemon a session that waits for it, or holds it in a transaction, looks as if it might
/// still fill a gap in the event sequence, and the daemon would wait for it.
/// </remarks>
internal sealed class SessionLock : IAsyncDisposable
{
    private readonly NpgsqlConnection _connection;
    private readonly long _key;

    private SessionLock(NpgsqlConnection connection, long key) => (_connection, _key) = (connection, key);

    /// <summary>The lock, or null while another session has it.</summary>
    public static async Task<SessionLock?> TryTake(NpgsqlDataSource postgres, string name, CancellationToken ct)
    {
        var key = AdvisoryLocks.KeyOf(name);
        var connection = await postgres.OpenConnectionAsync(ct);
        var isTaken = false;
        try
        {
            await using var command = new NpgsqlCommand("select pg_try_advisory_lock($1)", connection)
            { Parameters = { new() { Value = key } } };
            isTaken = await command.ExecuteScalarAsync(ct) is true;
            return isTaken ? new SessionLock(connection, key) : null;
        }
        finally
        {
            if (!isTaken)
                await connection.DisposeAsync();
        }
    }

    /// <exception cref="NpgsqlException">The connection is lost, and the lock with it.</exception>
    public async Task EnsureHeld(CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select 1", _connection) { CommandTimeout = 5 };
        await command.ExecuteNonQueryAsync(ct);
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            // A session that returns to the pool keeps its locks until its next use: release it explicitly.
            await using var command = new NpgsqlCommand("select pg_advisory_unlock($1)", _connection)
            { Parameters = { new() { Value = _key } }, CommandTimeout = 5 };
            await command.ExecuteNonQueryAsync();
        }
        catch (Exception e) when (e is NpgsqlException or InvalidOperationException)
        {
            // The connection is lost or closed, and Postgres has released the lock with it.
        }
        finally
        {
            await _connection.DisposeAsync();
        }
    }
}
