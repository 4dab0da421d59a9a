using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>Stands for a lock that was not taken because Postgres is unreachable. It is lost as soon as Postgres is back.</summary>
internal sealed class AbsentLock(LockSession session, string repository, Action end) : IHeldLock
{
    private Action? _end = end;

    public bool ExcludesOthers => false;

    public async Task EnsureHeld(CancellationToken ct)
    {
        if (await session.IsReachable(ct))
            throw new LockLostException($"{repository} was to be written without its lock, and Postgres is back");
    }

    public ValueTask DisposeAsync()
    {
        Interlocked.Exchange(ref _end, null)?.Invoke();
        return ValueTask.CompletedTask;
    }
}
