using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// Which replica of a service does what only one may do: the one whose Postgres session holds an advisory lock named for the service.
/// Injected as a singleton. It ends with the process, with its connection, or when the host stops; another replica takes it within seconds.
/// </summary>
/// <remarks>Whoever leads may not notice at once that it no longer does: what it does must be safe when another does it too.</remarks>
public sealed class Leadership(NpgsqlDataSource postgres, string service)
{
    private SessionLock? held;

    /// <summary>True while this replica leads, as far as it knows.</summary>
    public bool IsHeld => held is not null;

    /// <summary>Takes the lead if nobody has it; makes sure of it if this replica does. Not for several callers at once.</summary>
    /// <exception cref="NpgsqlException">Postgres is not there; the lead is lost, if this replica had it.</exception>
    internal async Task<bool> TryHold(CancellationToken ct)
    {
        if (held is null)
            return (held = await SessionLock.TryTake(postgres, "leader/" + service, ct)) is not null;
        try
        {
            await held.EnsureHeld(ct);
            return true;
        }
        catch (NpgsqlException)
        {
            await GiveUp();
            throw;
        }
    }

    /// <summary>Lets another replica lead.</summary>
    internal async Task GiveUp()
    {
        if (Interlocked.Exchange(ref held, null) is { } old)
            await old.DisposeAsync();
    }
}
