using System.Diagnostics.Metrics;

namespace Kuik.EventLog;

/// <summary>What each service measures of the event log. Injected as a singleton.</summary>
internal sealed class EventLogMetrics
{
    private readonly Meter _meter;
    private readonly Counter<long> _transactions;

    /// <summary>Measures on the meter <c>Kuik.EventLog</c>.</summary>
    public EventLogMetrics(IMeterFactory meters, PostgresAvailability availability)
    {
        _meter = meters.Create("Kuik.EventLog");
        _transactions = _meter.CreateCounter<long>("kuik_event_log_transactions",
            description: "Attempts of a transaction, by outcome: committed, conflict (decided again), away or fault; reason: the SQLSTATE, or unreachable");
        _meter.CreateObservableCounter("kuik_event_log_postgres_away_seconds", () => availability.Away.TotalSeconds,
            description: "How long Postgres could not be used by a part of this process, in seconds");
    }

    /// <summary>Measures how far behind the log this replica's projections and subscriptions are, while it leads.</summary>
    /// <param name="progress">Asked at each measurement.</param>
    public void ObserveShards(Func<IReadOnlyList<ShardProgress>> progress)
    {
        _meter.CreateObservableGauge("kuik_event_log_lag_events", () => progress().Select(shard =>
            new Measurement<long>(Math.Max(shard.Last - shard.Position, 0), KeyValuePair.Create<string, object?>("shard", shard.Shard))),
            description: "Events that a projection or the relay has before it, by shard; only of the replica that leads");
        _meter.CreateObservableGauge("kuik_event_log_lag_seconds", () => progress().Select(shard =>
            new Measurement<double>(shard.Lag.TotalSeconds, KeyValuePair.Create<string, object?>("shard", shard.Shard))),
            description: "Age of the oldest event that a projection or the relay has before it, in seconds, by shard; 0 when there is none");
    }

    /// <summary>An attempt was committed.</summary>
    public void CountCommitted() => Count("committed", "");

    /// <summary>An attempt lost against another writer, or was a deadlock's victim; it is made again.</summary>
    public void CountConflict() => Count("conflict", "");

    /// <summary>An attempt failed.</summary>
    public void CountFailed(Exception fault) =>
        Count(EventLogFault.MeansAway(fault) ? "away" : "fault", EventLogFault.KindOf(fault) ?? fault.GetType().Name);

    private void Count(string outcome, string reason) =>
        _transactions.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome), KeyValuePair.Create<string, object?>("reason", reason));
}
