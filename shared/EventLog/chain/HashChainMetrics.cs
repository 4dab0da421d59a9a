using System.Diagnostics.Metrics;

namespace Kuik.EventLog;

/// <summary>The metrics of the hash chain. A singleton.</summary>
internal sealed class HashChainMetrics
{
    private long _behind = -1;

    /// <summary>Creates the instrument on the meter <c>Kuik.EventLog</c>.</summary>
    public HashChainMetrics(IMeterFactory meters) =>
        meters.Create("Kuik.EventLog").CreateObservableGauge("kuik_event_log_chain_lag_events", Measure,
            description: "Sequence numbers between the end of the log and the head of the hash chain; only of the replica that leads");

    /// <summary>Sets the distance; null when this replica does not lead.</summary>
    public void Show(long? behind) => Volatile.Write(ref _behind, behind ?? -1);

    private IEnumerable<Measurement<long>> Measure() => Volatile.Read(ref _behind) is >= 0 and var behind ? [new(behind)] : [];
}
