using System.Globalization;
using Marten;
using Marten.Exceptions;

namespace Kuik.EventLog;

/// <summary>
/// Keeps a projection or subscription that reads some types of events from stepping over one of a newer version. Its filter is a list of
/// types to read, so that Postgres never shows it a type that it does not know; the relay reads all types, and stops at one by itself.
/// </summary>
public static class UnknownEvents
{
    // Marten's tombstones of failed appends are no events.
    private const string Query = $"""
        select seq_id || ' ' || type from {EventLogSetup.Schema}.mt_events
        where seq_id > ? and seq_id <= ? and type <> 'tombstone' and not type = any(?) order by seq_id limit 1
        """;

    /// <summary>Returns when this version knows all events of a part of the log.</summary>
    /// <param name="session">A session of the daemon.</param>
    /// <param name="after">The sequence number before the first one.</param>
    /// <param name="until">The last one's sequence number.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="UnknownEventTypeException">It does not. It stops the shard, which the readiness and
    /// <c>kuik_event_log_stopped</c> tell.</exception>
    public static async Task EnsureNone(IQuerySession session, long after, long until, CancellationToken ct)
    {
        var known = session.DocumentStore.Options.Events.AllKnownEventTypes().Select(type => type.EventTypeName).ToArray();
        var found = await session.AdvancedSql.QueryAsync<string>(Query, ct, after, until, known);
        if (found.Count == 0)
            return;
        var parts = found[0].Split(' ', 2);
        throw new UnknownEventTypeException(parts[1], long.Parse(parts[0], CultureInfo.InvariantCulture));
    }

    /// <summary>The position of a shard that is stored; 0 for none.</summary>
    /// <param name="session">A session of the daemon.</param>
    /// <param name="projection">The name of its projection.</param>
    /// <param name="ct">Cancels it.</param>
    public static async Task<long> PositionOf(IQuerySession session, string projection, CancellationToken ct)
    {
        var found = await session.AdvancedSql.QueryAsync<long>(
            $"select last_seq_id from {EventLogSetup.Schema}.mt_event_progression where name = ?", ct, $"{projection}:All");
        return found.Count == 0 ? 0 : found[0];
    }
}
