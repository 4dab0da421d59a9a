using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>What the copy engine gets from outside, so that it works without Kubernetes, database and bus.</summary>
/// <param name="Credentials">Called for each image copied or pulled through.</param>
/// <param name="LockRepository">Called for the last step of a copy, and for an eviction.</param>
/// <param name="PulledThrough">Called once for each image that a pull has brought in; its faults are logged and do not hurt the pull.</param>
public sealed record CopyEngineHooks(FindCredentials Credentials, LockRepository LockRepository, NotePull PulledThrough)
{
    /// <summary>Called before the first upload of a copy, and for an eviction. Default: the cache registry's garbage is collected by
    /// nothing that could run meanwhile.</summary>
    public ShareCache ShareCache { get; init; } = (_, _) => Task.FromResult<IHeldLock>(NoLock.Instance);
}

/// <summary>What may be shown to the origin of an image, in the order in which to try it; none for anonymous only.</summary>
/// <param name="image">By its tag; or by a digest: its own, or that of a manifest or a blob it consists of.</param>
/// <param name="stop">Ends it.</param>
public delegate Task<IReadOnlyList<RegistryCredential>> FindCredentials(ImageReference image, CancellationToken stop);

/// <summary>Waits for the lock of a repository in the cache, among all replicas; disposing of it releases it.</summary>
/// <param name="repository">A path of <see cref="CachePath.Of"/>.</param>
/// <param name="stop">Ends the waiting.</param>
/// <exception cref="CopyException">The lock could not be had in time.</exception>
public delegate Task<IHeldLock> LockRepository(string repository, CancellationToken stop);

/// <summary>
/// Waits while the cache registry's garbage collection runs or is about to, and keeps it away until the result is disposed. Taken before a
/// repository's lock, and never by work that another holder waits for.
/// </summary>
/// <param name="repository">For which repository, a path of <see cref="CachePath.Of"/>; for messages.</param>
/// <param name="stop">Ends the waiting.</param>
/// <exception cref="CopyException">The collection took too long.</exception>
public delegate Task<IHeldLock> ShareCache(string repository, CancellationToken stop);

/// <summary>Records that an image was pulled through by its tag or its root digest.</summary>
/// <param name="image">As it was pulled: by tag or by digest.</param>
/// <param name="stop">Ends it.</param>
public delegate Task NotePull(ImageReference image, CancellationToken stop);
