using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// Leader election among the replicas of a service: the leader's Postgres session holds an advisory lock named for the service. A
/// singleton. Leadership ends with the process, with its connection, or when the host stops; another replica takes it within seconds.
/// </summary>
/// <remarks>A leader may not notice at once that it no longer leads: its work must be safe when another replica does it too.</remarks>
public sealed class Leadership(NpgsqlDataSource postgres, string service)
{
    private SessionLock? _held;

    /// <summary>True while this replica leads, as far as it knows.</summary>
    public bool IsHeld => _held is not null;

    /// <summary>Takes leadership if it is free; checks it if this replica has it. Not for concurrent callers.</summary>
    /// <exception cref="NpgsqlException">Postgres is unreachable; leadership is lost, if this replica had it.</exception>
    internal async Task<bool> TryHold(CancellationToken ct)
    {
        if (_held is null)
            return (_held = await SessionLock.TryTake(postgres, "leader/" + service, ct)) is not null;
        try
        {
            await _held.EnsureHeld(ct);
            return true;
        }
        catch (NpgsqlException)
        {
            await GiveUp();
            throw;
        }
    }

    /// <summary>Releases leadership.</summary>
    internal async Task GiveUp()
    {
        if (Interlocked.Exchange(ref _held, null) is { } old)
            await old.DisposeAsync();
    }
}
