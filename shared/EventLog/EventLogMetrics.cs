using System.Diagnostics.Metrics;

namespace Kuik.EventLog;

/// <summary>The metrics of the event log in each service. A singleton.</summary>
internal sealed class EventLogMetrics
{
    private readonly Meter _meter;
    private readonly Counter<long> _transactions;

    /// <summary>Creates the instruments on the meter <c>Kuik.EventLog</c>.</summary>
    public EventLogMetrics(IMeterFactory meters, PostgresAvailability availability)
    {
        _meter = meters.Create("Kuik.EventLog");
        _transactions = _meter.CreateCounter<long>("kuik_event_log_transactions",
            description: "Attempts of a transaction, by outcome: committed, conflict (decided again), away or fault; reason: the SQLSTATE, "
                + "or unreachable");
        _meter.CreateObservableCounter("kuik_event_log_postgres_away_seconds", () => availability.Away.TotalSeconds,
            description: "How long Postgres could not be used by a part of this process, in seconds");
    }

    /// <summary>Adds the gauges of the lag of this replica's projections and subscriptions, while it leads.</summary>
    /// <param name="progress">Called at each measurement.</param>
    public void ObserveShards(Func<IReadOnlyList<ShardProgress>> progress)
    {
        _meter.CreateObservableGauge("kuik_event_log_lag_events", () => progress().Select(shard =>
            new Measurement<long>(Math.Max(shard.Last - shard.Position, 0), KeyValuePair.Create<string, object?>("shard", shard.Shard))),
            description: "Events that a projection or the relay has before it, by shard; only of the replica that leads");
        _meter.CreateObservableGauge("kuik_event_log_lag_seconds", () => progress().Select(shard =>
            new Measurement<double>(shard.Lag.TotalSeconds, KeyValuePair.Create<string, object?>("shard", shard.Shard))),
            description: "Age of the oldest event that a projection or the relay has before it, in seconds, by shard; 0 when there is "
                + "none");
        _meter.CreateObservableGauge("kuik_event_log_stopped", () => progress().Where(shard => shard.Failure is not null).Select(shard =>
            new Measurement<int>(1, KeyValuePair.Create<string, object?>("shard", shard.Shard),
                KeyValuePair.Create<string, object?>("reason", shard.Failure!.Event is null ? "fault" : "event"))),
            description: "1 for a projection or the relay that has stopped, by shard and reason: event (it cannot be read or applied, for "
                + "example of a newer version) or fault; absent while it runs");
    }

    /// <summary>Counts a committed attempt.</summary>
    public void CountCommitted() => Count("committed", "");

    /// <summary>Counts an attempt that had a conflict with another writer, or was a deadlock's victim; it is repeated.</summary>
    public void CountConflict() => Count("conflict", "");

    /// <summary>Counts a failed attempt.</summary>
    public void CountFailed(Exception fault) =>
        Count(EventLogFault.MeansAway(fault) ? "away" : "fault", EventLogFault.KindOf(fault) ?? fault.GetType().Name);

    private void Count(string outcome, string reason) =>
        _transactions.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome),
            KeyValuePair.Create<string, object?>("reason", reason));
}
