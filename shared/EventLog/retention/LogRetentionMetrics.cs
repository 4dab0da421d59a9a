using System.Diagnostics.Metrics;

namespace Kuik.EventLog;

/// <summary>The metrics of the removal of ended streams. A singleton.</summary>
internal sealed class LogRetentionMetrics
{
    private readonly Counter<long> _removed;
    private volatile RetentionPage _last = RetentionPage.None;

    /// <summary>Creates the instruments on the meter <c>Kuik.EventLog</c>.</summary>
    public LogRetentionMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Kuik.EventLog");
        _removed = meter.CreateCounter<long>("kuik_event_log_removed_events",
            description: "Events of ended streams removed by Kuik:Log:RetainFor");
        meter.CreateObservableGauge("kuik_event_log_removal_late_seconds", Measure,
            description: "How long events have been kept beyond Kuik:Log:RetainFor, by the reason: export (not confirmed), chain or "
                + "projections (not that far yet); absent when nothing is late");
    }

    /// <summary>Counts removed events.</summary>
    public void CountRemoved(long events) => _removed.Add(events);

    /// <summary>Sets what holds the removal up.</summary>
    public void Show(RetentionPage last) => _last = last;

    private IEnumerable<Measurement<double>> Measure()
    {
        var last = _last;
        if (last.HeldUpBy is { } reason)
            yield return new Measurement<double>(last.Late.TotalSeconds, KeyValuePair.Create<string, object?>("reason", reason));
    }
}
