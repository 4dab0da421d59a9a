using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The copy engine's dependencies on the service, so that the engine itself needs no Kubernetes, database or bus.</summary>
/// <param name="Credentials">Called for each image copied or pulled through.</param>
/// <param name="LockRepository">Called for the last step of a copy, and for an eviction.</param>
/// <param name="PulledThrough">Called once for each image that a pull has stored in the cache; exceptions are logged and do not
/// fail the pull.</param>
public sealed record CopyEngineHooks(FindCredentials Credentials, LockRepository LockRepository, NotePull PulledThrough)
{
    /// <summary>
    /// Called before the first upload of a copy, and for an eviction. Default: no lock, for a cache registry without garbage collection.
    /// </summary>
    public ShareCache ShareCache { get; init; } = (_, _) => Task.FromResult<IHeldLock>(NoLock.Instance);

    /// <summary>
    /// Called when a pulled image has been copied, with what the cache has under its name then. Exceptions are logged and do not fail the
    /// pull. Default: nothing.
    /// </summary>
    public NoteCopy Copied { get; init; } = (_, _, _) => Task.CompletedTask;
}

/// <summary>
/// Finds the credentials for the origin of an image, in the order in which to try them; an empty list for anonymous access only.
/// </summary>
/// <param name="image">The image by its tag; or by a digest: its own, or that of one of its manifests or blobs.</param>
/// <param name="stop">Cancels the search.</param>
public delegate Task<IReadOnlyList<RegistryCredential>> FindCredentials(ImageReference image, CancellationToken stop);

/// <summary>
/// Takes the lock of a repository in the cache, shared by all replicas. Waits for it; disposing of the result releases it.
/// </summary>
/// <param name="repository">A path of <see cref="CachePath.Of"/>.</param>
/// <param name="stop">Cancels the wait.</param>
/// <exception cref="CopyException">The wait timed out.</exception>
public delegate Task<IHeldLock> LockRepository(string repository, CancellationToken stop);

/// <summary>
/// Takes a share that keeps the cache registry's garbage collection from starting. Waits for a collection that runs or is due; disposing of
/// the result releases the share. Taken before a repository's lock, and never by work that another holder waits for.
/// </summary>
/// <param name="repository">The repository to write to, a path of <see cref="CachePath.Of"/>; for messages.</param>
/// <param name="stop">Cancels the wait.</param>
/// <exception cref="CopyException">The collection took too long.</exception>
public delegate Task<IHeldLock> ShareCache(string repository, CancellationToken stop);

/// <summary>Records that an image was pulled through by its tag or its root digest.</summary>
/// <param name="image">The reference of the pull: by tag or by digest.</param>
/// <param name="stop">Cancels it.</param>
public delegate Task NotePull(ImageReference image, CancellationToken stop);

/// <summary>Records that the copy of a pulled image has ended.</summary>
/// <param name="image">The reference of the pull: by tag or by digest.</param>
/// <param name="copy">The copy that the cache has under it.</param>
/// <param name="stop">Cancels it.</param>
public delegate Task NoteCopy(ImageReference image, CopiedImage copy, CancellationToken stop);
