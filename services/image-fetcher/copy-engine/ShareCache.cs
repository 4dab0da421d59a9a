using Kuik.Contracts;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Takes a share that keeps the cache registry's garbage collection from starting. Waits for a collection that runs or is due; disposing of
/// the result releases the share. Taken before a repository's lock, and never by work that another holder waits for.
/// </summary>
/// <param name="repository">The repository to write to, a path of <see cref="CachePath.Of"/>; for messages.</param>
/// <param name="ct">Cancels the wait.</param>
/// <exception cref="CopyException">The collection took too long.</exception>
public delegate Task<IHeldLock> ShareCache(string repository, CancellationToken ct);
