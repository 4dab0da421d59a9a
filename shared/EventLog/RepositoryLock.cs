using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The order between copying into a cache repository and evicting from it: whoever checks that every part is there and then writes the tag,
/// and whoever removes a tag and sweeps, holds the repository alone. Released by disposing it, by the end of the process, or when its
/// connection to Postgres breaks.
/// </summary>
public sealed class RepositoryLock : IAsyncDisposable
{
    private static readonly TimeSpan TryInterval = TimeSpan.FromMilliseconds(50);

    private readonly SessionLock held;

    private RepositoryLock(SessionLock held) => this.held = held;

    /// <summary>Waits until nobody else holds the repository, then holds it.</summary>
    /// <param name="postgres">Injected.</param>
    /// <param name="repository">The path in the cache registry, <c>docker.io/library/nginx</c>.</param>
    /// <param name="ct">Ends the waiting, which has no other limit.</param>
    /// <exception cref="NpgsqlException">Postgres is not there.</exception>
    public static async Task<RepositoryLock> Take(NpgsqlDataSource postgres, string repository, CancellationToken ct)
    {
        using var timer = new PeriodicTimer(TryInterval);
        while (true)
        {
            if (await SessionLock.TryTake(postgres, "repository/" + repository, ct) is { } held)
                return new RepositoryLock(held);
            await timer.WaitForNextTickAsync(ct);
        }
    }

    /// <summary>Makes sure that the lock is still held; call it right before the step that it protects.</summary>
    /// <exception cref="NpgsqlException">The connection is gone, and the lock with it.</exception>
    public Task EnsureHeld(CancellationToken ct) => held.EnsureHeld(ct);

    /// <summary>Releases it.</summary>
    public ValueTask DisposeAsync() => held.DisposeAsync();
}
