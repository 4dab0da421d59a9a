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
