namespace Kuik.EventLog;

/// <summary>
/// A held lock of a repository. Released by disposing of it, by the end of the process, or when the connection to Postgres is lost.
/// </summary>
public sealed class RepositoryLock : IAsyncDisposable
{
    private readonly HeldLock _held;
    private Action? _endTurn;

    internal RepositoryLock(HeldLock held, Action endTurn) => (_held, _endTurn) = (held, endTurn);

    /// <inheritdoc cref="HeldLock.EnsureHeld"/>
    public Task EnsureHeld(CancellationToken ct) => _held.EnsureHeld(ct);

    /// <summary>Releases it.</summary>
    public async ValueTask DisposeAsync()
    {
        await _held.DisposeAsync();
        Interlocked.Exchange(ref _endTurn, null)?.Invoke();
    }
}
