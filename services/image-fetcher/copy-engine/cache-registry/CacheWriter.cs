namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The locks for changing one repository of the cache: a share that keeps the registry's garbage collection away and, from the last checks
/// to the last PUT or DELETE, the repository's lock, taken in this order. Call <see cref="EnsureMayWrite"/> right before each PUT of a tag
/// and each DELETE.
/// </summary>
internal sealed class CacheWriter(LockRepository lockRepository, ShareCache shareCache, string repository) : IAsyncDisposable
{
    private IHeldLock? _share;
    private IHeldLock? _lock;

    /// <summary>Takes the share, after waiting for a garbage collection to end; does nothing when it is already held.</summary>
    /// <exception cref="CopyException">The wait timed out.</exception>
    public async Task Share(CancellationToken ct) => _share ??= await shareCache(repository, ct);

    /// <summary>Takes the share and then the repository's lock; disposing of the result releases the lock and keeps the share.</summary>
    /// <exception cref="CopyException">The wait timed out.</exception>
    public async Task<IAsyncDisposable> Lock(CancellationToken ct)
    {
        await Share(ct);
        _lock = await lockRepository(repository, ct);
        return new Unlock(this);
    }

    /// <summary>Checks that share and lock are still held.</summary>
    /// <exception cref="LockLostException">One of them was lost: <see cref="Renew"/> and check again.</exception>
    public async Task EnsureMayWrite(CancellationToken ct)
    {
        await (_lock ?? throw new InvalidOperationException("the repository is not locked")).EnsureHeld(ct);
        await _share!.EnsureHeld(ct);
    }

    /// <summary>The stricter check before a deletion.</summary>
    /// <exception cref="LockLostException">As of <see cref="EnsureMayWrite"/>.</exception>
    /// <exception cref="CopyException">The lock is not available, or another writer of this process continues without it.</exception>
    public async Task EnsureMayDelete(CancellationToken ct)
    {
        await EnsureMayWrite(ct);
        if (!_lock!.ExcludesOthers || !_share!.ExcludesOthers)
            throw new CopyException(CopyException.Cache,
                $"nothing is deleted from {repository} while writers go without its lock, because Postgres is unreachable",
                retryHelps: true);
    }

    /// <summary>Releases share and lock after one was lost; they are taken again on demand.</summary>
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
