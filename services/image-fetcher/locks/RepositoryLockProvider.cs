using System.Collections.Concurrent;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>
/// The locks that the copy engine takes, in Postgres: of a repository of the cache, which orders copies and evictions; and the share that
/// keeps the garbage collection of the cache registry away. Injected as a singleton.
/// <para>While Postgres is unreachable (refused, broken, or silent for <see cref="LockSession.Silence"/>) a copy goes on without: evictions
/// and collections need the same Postgres, so there are none. A writer that went without notices before it writes that Postgres is back,
/// takes the lock and checks again. Only a replica that alone cannot reach Postgres can cross an eviction: at worst a manifest that it
/// relies on is gone, and is pulled through again.</para>
/// </summary>
public sealed partial class RepositoryLockProvider(
    LockSession session, RepositoryLocks locks, GarbageCollectionLease collection, FetcherMetrics metrics, TimeProvider time,
    ILogger<RepositoryLockProvider> logger)
{
    /// <summary>How long a lock is waited for that another holder has; then the copy fails and is tried again later.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(10);

    /// <summary>How long a Postgres that starts up, or has no connection to spare, is asked again.</summary>
    public static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, int> _without = new();

    /// <summary>Waits for the lock of a repository.</summary>
    /// <exception cref="CopyException">Another holder had it for <see cref="LongestWait"/>, or Postgres has no connection to
    /// spare.</exception>
    public Task<IHeldLock> Take(string repository, CancellationToken ct) => Take("repository", repository, async stop =>
    {
        var held = await locks.Take(repository, stop);
        return new PostgresLock(held, held.EnsureHeld, () => !IsGoingWithout(repository), $"the lock of {repository}");
    }, ct);

    /// <summary>Waits for a garbage collection to end, and keeps the next one away.</summary>
    /// <exception cref="CopyException">It took longer than <see cref="LongestWait"/>, or Postgres has no connection to spare.</exception>
    public Task<IHeldLock> Share(string repository, CancellationToken ct) => Take("collection", repository, async stop =>
    {
        var held = await collection.ShareForWriting(stop);
        return new PostgresLock(held, held.EnsureHeld, () => true, "the share that keeps the garbage collection away");
    }, ct);

    /// <summary>True while a writer in this process writes to the repository without its lock.</summary>
    public bool IsGoingWithout(string repository) => _without.GetValueOrDefault(repository) > 0;

    private async Task<IHeldLock> Take(string kind, string repository, Func<CancellationToken, Task<IHeldLock>> take, CancellationToken ct)
    {
        var began = time.GetTimestamp();
        using var limit = new CancellationTokenSource(LongestWait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, ct);
        try
        {
            return await TakeOnceReachable(repository, take, began, either.Token);
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.TooManyConnections)
        {
            throw new CopyException(CopyException.Cache,
                $"{repository} is not written: Postgres has no connection for its lock ({error.MessageText})", retryHelps: true,
                inner: error);
        }
        catch (Exception error) when (EventLogFault.MeansAway(error))
        {
            LogWithout(kind, repository, EventLogFault.ReasonOf(error));
            metrics.CountWithoutLock(kind);
            _without.AddOrUpdate(repository, 1, (_, writers) => writers + 1);
            return new AbsentLock(session, repository, () => _without.AddOrUpdate(repository, 0, (_, writers) => writers - 1));
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            var holder = kind == "collection" ? "the cache registry's garbage is collected" : "another writer has its lock";
            throw new CopyException(CopyException.Cache, $"{repository} is not written: {holder} for {LongestWait.TotalMinutes:0} min",
                retryHelps: true);
        }
        finally
        {
            metrics.MeasureLockWait(kind, time.GetElapsedTime(began));
        }
    }

    private async Task<IHeldLock> TakeOnceReachable(string repository, Func<CancellationToken, Task<IHeldLock>> take, long began,
        CancellationToken ct)
    {
        while (true)
        {
            try
            {
                return await take(ct);
            }
            catch (PostgresException error) when (time.GetElapsedTime(began) < StartPatience
                && (error.SqlState == PostgresErrorCodes.TooManyConnections || EventLogFault.MeansStarting(error)))
            {
                LogNotYet(repository, error.MessageText);
                await Task.Delay(AskAgain, time, ct);
            }
        }
    }

    [LoggerMessage(LogLevel.Warning,
        "writing to {Repository} without the lock ({Kind}), because Postgres is unreachable ({Reason}); nothing is evicted either")]
    private partial void LogWithout(string kind, string repository, string reason);

    [LoggerMessage(LogLevel.Debug, "the lock of {Repository} waits for Postgres: {Reason}")]
    private partial void LogNotYet(string repository, string reason);
}
