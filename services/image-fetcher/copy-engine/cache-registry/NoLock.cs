namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A lock that protects nothing, where there is no other party.</summary>
internal sealed class NoLock : IHeldLock
{
    public static readonly NoLock Instance = new();

    public bool ExcludesOthers => true;

    public Task EnsureHeld(CancellationToken ct) => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
