using Kuik.Contracts;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Takes the lock of a repository in the cache, shared by all replicas. Waits for it; disposing of the result releases it.
/// </summary>
/// <param name="repository">A path of <see cref="CachePath.Of"/>.</param>
/// <param name="ct">Cancels the wait.</param>
/// <exception cref="CopyException">The wait timed out.</exception>
public delegate Task<IHeldLock> LockRepository(string repository, CancellationToken ct);
