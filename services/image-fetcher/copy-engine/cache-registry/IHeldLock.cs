namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A lock that is held until it is disposed, unless it is lost before.</summary>
public interface IHeldLock : IAsyncDisposable
{
    /// <summary>Checks the lock. Called right before each step that it protects.</summary>
    /// <exception cref="LockLostException">The lock was lost: take it again and repeat the checks made under it.</exception>
    Task EnsureHeld(CancellationToken ct);

    /// <summary>
    /// False when the work continues without the lock, here or elsewhere in this process: enough to write, not to delete.
    /// </summary>
    bool ExcludesOthers { get; }
}
