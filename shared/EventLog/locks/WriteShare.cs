namespace Kuik.EventLog;

/// <summary>A writer's share of the lock that keeps garbage collection away.</summary>
public sealed class WriteShare : IAsyncDisposable
{
    private readonly HeldLock _held;
    private Func<ValueTask>? _leave;

    internal WriteShare(HeldLock held, Func<ValueTask> leave) => (_held, _leave) = (held, leave);

    /// <inheritdoc cref="HeldLock.EnsureHeld"/>
    public Task EnsureHeld(CancellationToken ct) => _held.EnsureHeld(ct);

    /// <summary>Ends this writer's share; the last one of the process releases the lock.</summary>
    public ValueTask DisposeAsync() => Interlocked.Exchange(ref _leave, null)?.Invoke() ?? ValueTask.CompletedTask;
}
