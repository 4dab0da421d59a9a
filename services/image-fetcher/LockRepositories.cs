using System.Collections.Concurrent;
using Kuik.EventLog;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>The lock that orders copies into a repository of the cache and evictions from it, among all replicas; the copy engine takes it. Injected as a singleton.</summary>
public sealed partial class LockRepositories(NpgsqlDataSource postgres, ILogger<LockRepositories> logger)
{
    private readonly ConcurrentDictionary<string, int> without = new();

    /// <summary>
    /// Waits for the lock. While Postgres does not answer, a copy goes on without it. That is safe: an eviction does not happen without the lock, nor without
    /// reading the image's stream under it (see <see cref="EvictImage"/>), so nothing is evicted meanwhile. Only a replica that alone cannot reach Postgres
    /// can cross an eviction: at worst a child manifest of the image it writes is swept, and pulled through again by whoever asks for it.
    /// </summary>
    public async Task<IAsyncDisposable> Take(string repository, CancellationToken ct)
    {
        try
        {
            return await RepositoryLock.Take(postgres, repository, ct);
        }
        catch (NpgsqlException error) when (error is not PostgresException)
        {
            LogWithout(repository, error.Message);
            without.AddOrUpdate(repository, 1, (_, writers) => writers + 1);
            return new Nothing(without, repository);
        }
    }

    /// <summary>Is anybody in this process writing to the repository without its lock?</summary>
    public bool IsGoingWithout(string repository) => without.GetValueOrDefault(repository) > 0;

    [LoggerMessage(LogLevel.Warning, "writing to {Repository} without its lock, because Postgres does not answer ({Reason}); nothing is evicted either until it does")]
    private partial void LogWithout(string repository, string reason);

    private sealed class Nothing(ConcurrentDictionary<string, int> without, string repository) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            without.AddOrUpdate(repository, 0, (_, writers) => writers - 1);
            return ValueTask.CompletedTask;
        }
    }
}
