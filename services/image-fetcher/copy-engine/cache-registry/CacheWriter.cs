namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// What everything that changes a repository of the cache holds: a share that keeps the registry's garbage collection away and, from its
/// last checks to its last PUT or DELETE, the repository's lock. In this order; and <see cref="EnsureMayWrite"/> comes right before each
/// PUT of a tag and each DELETE.
/// </summary>
internal sealed class CacheWriter(LockRepository lockRepository, ShareCache shareCache, string repository) : IAsyncDisposable
{
    private IHeldLock? _share;
    private IHeldLock? _lock;

    /// <summary>Waits for a garbage collection to end; nothing when the share is held already.</summary>
    /// <exception cref="CopyException">It took too long.</exception>
    public async Task Share(CancellationToken stop) => _share ??= await shareCache(repository, stop);

    /// <summary>Waits for the share and then for the repository's lock; disposing of the result releases the lock and keeps the
    /// share.</summary>
    /// <exception cref="CopyException">It could not be had in time.</exception>
    public async Task<IAsyncDisposable> Lock(CancellationToken stop)
    {
        await Share(stop);
        _lock = await lockRepository(repository, stop);
        return new Unlock(this);
    }

    /// <exception cref="LockLostException">Neither of what is held may be relied on: <see cref="Renew"/> and check again.</exception>
    public async Task EnsureMayWrite(CancellationToken stop)
    {
        await (_lock ?? throw new InvalidOperationException("the repository is not locked")).EnsureHeld(stop);
        await _share!.EnsureHeld(stop);
    }

    /// <summary>The same before a deletion, for which more has to be certain.</summary>
    /// <exception cref="LockLostException">As of <see cref="EnsureMayWrite"/>.</exception>
    /// <exception cref="CopyException">The lock could not be had, or another writer of this process goes without it.</exception>
    public async Task EnsureMayDelete(CancellationToken stop)
    {
        await EnsureMayWrite(stop);
        if (!_lock!.ExcludesOthers || !_share!.ExcludesOthers)
            throw new CopyException(CopyException.Cache,
                $"nothing is deleted from {repository} while writers go without its lock, because Postgres is unreachable", retryHelps: true);
    }

    /// <summary>After a lock was lost: what is left of both is given up, and taken anew when it is wanted.</summary>
    public async Task Renew()
    {
        await Release(ref _lock);
        await Release(ref _share);
    }

    public async ValueTask DisposeAsync() => await Renew();

    private static ValueTask Release(ref IHeldLock? held) =>
        Interlocked.Exchange(ref held, null)?.DisposeAsync() ?? ValueTask.CompletedTask;

    private sealed class Unlock(CacheWriter writer) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => Release(ref writer._lock);
    }
}

/// <summary>Begins writing to one repository of the cache.</summary>
internal sealed class CacheWriters(CopyEngineHooks needs)
{
    /// <summary>Holds nothing yet.</summary>
    public CacheWriter For(string repository) => new(needs.LockRepository, needs.ShareCache, repository);
}
