namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A lock that is held until it is disposed, unless it is lost before.</summary>
public interface IHeldLock : IAsyncDisposable
{
    /// <summary>Called right before each step that the lock protects.</summary>
    /// <exception cref="LockLostException">What was checked under the lock does not count any more: take it again and check
    /// again.</exception>
    Task EnsureHeld(CancellationToken stop);

    /// <summary>False when work goes on although the lock could not be had, here or elsewhere in this process: enough to write, not to
    /// delete.</summary>
    bool ExcludesOthers { get; }
}

/// <summary>Where there is nothing to be kept away.</summary>
internal sealed class NoLock : IHeldLock
{
    public static readonly NoLock Instance = new();

    public bool ExcludesOthers => true;

    public Task EnsureHeld(CancellationToken stop) => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
