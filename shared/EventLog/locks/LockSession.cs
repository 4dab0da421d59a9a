using System.Data;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The single Postgres session for all advisory locks of this process: it never takes a connection of the pool, and a full pool does not
/// affect it. Connects for the first lock; a lost connection loses all locks (<see cref="HeldLock.EnsureHeld"/>), and the next one is taken
/// on a new connection. A singleton.
/// </summary>
/// <remarks>
/// Locks are only tried, never waited for inside Postgres: to Marten's daemon a session that waits for one looks as if it might
/// still fill a gap in the event sequence, and the daemon would wait for it. The order among processes comes from a second lock, the
/// queue (<see cref="LockQueue"/>).
/// </remarks>
public sealed class LockSession : IAsyncDisposable
{
    /// <summary>The time limit of a connection attempt, and of a statement: then Postgres counts as unreachable.</summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(10);

    /// <summary>After a failed attempt to connect, callers fail at once for this long plus three times as long as it took.</summary>
    internal static readonly TimeSpan PauseAfterFailure = TimeSpan.FromSeconds(1);

    private readonly NpgsqlDataSource _postgres;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _oneStatement = new(1);
    private NpgsqlConnection? _connection;
    private Exception? _failure;
    private DateTimeOffset _pausedUntil;

    /// <param name="connectionString">The value of <c>ConnectionStrings:Postgres</c>; pooling is switched off here.</param>
    /// <param name="time">The clock of the pause after a failure.</param>
    public LockSession(string connectionString, TimeProvider time)
    {
        var seconds = (int)Silence.TotalSeconds;
        _postgres = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString)
        {
            Pooling = false,
            Timeout = seconds,
            CommandTimeout = seconds,
            ApplicationName = "kuik-locks",
        }.ConnectionString);
        _time = time;
    }

    /// <summary>False when no connection can be opened now.</summary>
    public async Task<bool> IsReachable(CancellationToken ct)
    {
        try
        {
            await Execute("select 1", [], ct);
            return true;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    /// <summary>Closes the connection, which releases every lock.</summary>
    public async ValueTask DisposeAsync()
    {
        await Drop();
        await _postgres.DisposeAsync();
    }

    /// <summary>Runs a statement that takes locks, on a new connection if the last one is lost.</summary>
    /// <param name="sql">Returns one value.</param>
    /// <param name="keys">Its parameters.</param>
    /// <param name="ct">Cancels the wait for other statements; a statement that has begun is completed, so
    /// that its locks are known.</param>
    /// <returns>The value, null for SQL's null, and the connection on which it ran.</returns>
    /// <exception cref="NpgsqlException">Postgres is unreachable, or does not answer in time.</exception>
    internal async Task<(object? Value, NpgsqlConnection On)> Execute(string sql, long[] keys, CancellationToken ct)
    {
        await _oneStatement.WaitAsync(ct);
        try
        {
            if (_connection is { } last)
            {
                try
                {
                    return (await Ask(last, sql, keys), last);
                }
                catch (NpgsqlException) when (_connection is null)
                {
                    // The last connection is lost, or silent since a failover, which proves nothing about Postgres now.
                }
            }
            var connection = await Connect();
            return (await Ask(connection, sql, keys), connection);
        }
        finally
        {
            _oneStatement.Release();
        }
    }

    /// <summary>Runs a statement on that connection and no other; the value is null for SQL's null.</summary>
    /// <exception cref="NpgsqlException">The connection is lost.</exception>
    internal async Task<object?> ExecuteOn(NpgsqlConnection connection, string sql, long[] keys, CancellationToken ct)
    {
        await _oneStatement.WaitAsync(ct);
        try
        {
            if (connection != _connection)
                throw new NpgsqlException("the connection that held the lock is lost");
            return await Ask(connection, sql, keys);
        }
        finally
        {
            _oneStatement.Release();
        }
    }

    private async Task<NpgsqlConnection> Connect()
    {
        if (_failure is { } failure && _pausedUntil > _time.GetUtcNow())
            throw failure is PostgresException said ? Again(said) : new NpgsqlException(failure.Message, failure.InnerException);
        var began = _time.GetTimestamp();
        try
        {
            _connection = await _postgres.OpenConnectionAsync(CancellationToken.None);
            _failure = null;
            return _connection;
        }
        catch (NpgsqlException e)
        {
            // After an attempt that took long, a longer pause: callers wait for each attempt.
            (_failure, _pausedUntil) = (e, _time.GetUtcNow() + PauseAfterFailure + 3 * _time.GetElapsedTime(began));
            throw;
        }
    }

    private static PostgresException Again(PostgresException said) =>
        new(said.MessageText, said.Severity, said.InvariantSeverity, said.SqlState);

    private async Task<object?> Ask(NpgsqlConnection connection, string sql, long[] keys)
    {
        try
        {
            await using var command = new NpgsqlCommand(sql, connection);
            foreach (var key in keys)
                command.Parameters.Add(new() { Value = key });
            return await command.ExecuteScalarAsync(CancellationToken.None) is { } value and not DBNull ? value : null;
        }
        catch (Exception e) when (e is NpgsqlException or InvalidOperationException)
        {
            // An error of Postgres itself leaves the connection as it was. After a time-out the effect of the statement is unknown.
            if (e is not PostgresException || connection.State != ConnectionState.Open)
                await Drop();
            throw e as NpgsqlException ?? new NpgsqlException("the connection that held the lock is lost", e);
        }
    }

    private async Task Drop()
    {
        if (Interlocked.Exchange(ref _connection, null) is { } connection)
            await connection.DisposeAsync();
    }
}
