using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The lock between writing to the cache registry and its garbage collection: every writer holds it shared from its first upload to its
/// last PUT, a collection holds it exclusively. A process holds one share, however many writers it has. Once a collection waits, new
/// writers wait; running ones continue, for as long as the collection is prepared to wait. A singleton.
/// </summary>
/// <remarks>
/// A writer must not wait for a second share while it has one, nor for another process that does: a collection that has come in between
/// would wait for the first. Work of a process on behalf of a writer of another process is covered by that writer's share.
/// </remarks>
public sealed class GarbageCollectionLease(LockSession session, TimeProvider time) : IDisposable
{
    private const string Name = "garbage-collection";

    /// <summary>How often a process with a share checks for a waiting collection.</summary>
    internal static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _line = new(1);
    private readonly Lock _gate = new();
    private readonly LockQueue _shared = new(session, Name, isShared: true, time);
    private Shared? _current;
    private DateTimeOffset _lookAgainAt;

    /// <summary>Waits while a collection runs or waits, then takes a share until the result is disposed.</summary>
    /// <param name="ct">Cancels the wait, which has no other limit.</param>
    /// <exception cref="NpgsqlException">Postgres is unreachable.</exception>
    public async Task<WriteShare> ShareForWriting(CancellationToken ct)
    {
        await _line.WaitAsync(ct);   // only one of them asks Postgres
        try
        {
            using var timer = new PeriodicTimer(LockQueue.Interval, time);
            while (true)
            {
                if (Current() is not { } current)
                    return New(await _shared.Take(ct));
                if (await MayJoin(current, ct) && Join(current) is { } share)
                    return share;
                await timer.WaitForNextTickAsync(ct);
            }
        }
        finally
        {
            _line.Release();
        }
    }

    /// <summary>
    /// Takes the lock exclusively, for a garbage collection. To be called by a process that does not write: locks of one
    /// session do not exclude each other.
    /// </summary>
    /// <param name="patience">The longest wait for running writers, while new ones wait. A copy of a very large image can
    /// take longer: retry later.</param>
    /// <param name="ct">Cancels the wait.</param>
    /// <returns>The lock, to be checked (<see cref="HeldLock.EnsureHeld"/>, <see cref="HeldLock.RunWhileHeld"/>) before each deletion; null
    /// when the writers took longer.</returns>
    /// <exception cref="NpgsqlException">Postgres is unreachable: nothing may be collected.</exception>
    public async Task<HeldLock?> TakeForCollection(TimeSpan patience, CancellationToken ct)
    {
        using var late = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, ct);
        try
        {
            return await new LockQueue(session, Name, isShared: false, time).Take(either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Releases nothing: shares and locks are disposed of separately.</summary>
    public void Dispose() => _line.Dispose();

    private Shared? Current()
    {
        lock (_gate)
            return _current;
    }

    private WriteShare New(HeldLock held)
    {
        lock (_gate)
        {
            _lookAgainAt = time.GetUtcNow() + LookInterval;
            var shared = _current = new Shared(held) { Writers = 1 };
            return new WriteShare(held, () => Leave(shared));
        }
    }

    /// <summary>Null when the last writer has left meanwhile.</summary>
    private WriteShare? Join(Shared current)
    {
        lock (_gate)
        {
            if (current.Writers == 0 || current != _current)
                return null;
            current.Writers++;
            return new WriteShare(current.Held, () => Leave(current));
        }
    }

    private async Task<bool> MayJoin(Shared current, CancellationToken ct)
    {
        if (_lookAgainAt > time.GetUtcNow())
            return true;
        if (!await IsHeld(current, ct))
            return false;
        var isOpen = await _shared.IsOpen(ct);
        if (isOpen)
            _lookAgainAt = time.GetUtcNow() + LookInterval;
        return isOpen;
    }

    /// <summary>A lost lock is left to its writers, each of which notices it; new writers take it again.</summary>
    private async Task<bool> IsHeld(Shared current, CancellationToken ct)
    {
        try
        {
            await current.Held.EnsureHeld(ct);
            return true;
        }
        catch (NpgsqlException)
        {
            lock (_gate)
                if (_current == current)
                    _current = null;
            return false;
        }
    }

    private ValueTask Leave(Shared shared)
    {
        lock (_gate)
        {
            if (--shared.Writers > 0)
                return ValueTask.CompletedTask;
            if (_current == shared)
                _current = null;
        }
        return shared.Held.DisposeAsync();
    }

    private sealed class Shared(HeldLock held)
    {
        public HeldLock Held { get; } = held;

        public int Writers { get; set; }
    }
}
