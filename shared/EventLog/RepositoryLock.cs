using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The order between copying into a cache repository and evicting from it: whoever checks that every part is there and then writes the tag,
/// and whoever removes a tag and sweeps, holds the repository alone. A lock of its own Postgres session: released by disposing it, by the
/// end of the process, or when its connection breaks.
/// </summary>
public sealed class RepositoryLock : IAsyncDisposable
{
    private readonly NpgsqlConnection connection;
    private readonly long key;

    private RepositoryLock(NpgsqlConnection connection, long key) => (this.connection, this.key) = (connection, key);

    /// <summary>Waits until nobody else holds the repository, then holds it.</summary>
    /// <param name="postgres">Injected.</param>
    /// <param name="repository">The path in the cache registry, <c>docker.io/library/nginx</c>.</param>
    /// <param name="ct">Ends the waiting.</param>
    /// <exception cref="NpgsqlException">Postgres is not there.</exception>
    public static async Task<RepositoryLock> Take(NpgsqlDataSource postgres, string repository, CancellationToken ct)
    {
        var connection = await postgres.OpenConnectionAsync(ct);
        try
        {
            var key = ImageLocks.KeyOf("repository/" + repository);
            // Others may hold it for as long as a sweep takes: the wait has no limit but the token.
            await using var command = new NpgsqlCommand("select pg_advisory_lock($1)", connection) { Parameters = { new() { Value = key } }, CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync(ct);
            return new RepositoryLock(connection, key);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes sure that the lock is still held; call it right before the step that it protects.</summary>
    /// <exception cref="NpgsqlException">The connection is gone, and the lock with it.</exception>
    public async Task EnsureHeld(CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select 1", connection);
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Releases it.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            // A pooled session keeps its advisory locks until it is used again: unlock by hand.
            await using var command = new NpgsqlCommand("select pg_advisory_unlock($1)", connection) { Parameters = { new() { Value = key } } };
            await command.ExecuteNonQueryAsync();
        }
        catch (NpgsqlException)
        {
            // The connection is gone, and Postgres has released the lock with it.
        }
        finally
        {
            await connection.DisposeAsync();
        }
    }
}
