using System.Diagnostics.Metrics;
using Kuik.Contracts;
using Kuik.EventLog;

namespace Kuik.Expiry;

/// <summary>The metrics of this service's decisions, announcements and due work. A singleton.</summary>
public sealed class ExpiryMetrics
{
    private readonly Counter<long> _decisions;
    private readonly Counter<long> _announced;
    private volatile IReadOnlyList<(WorkKind Kind, long Due, long Overdue)> _work = [];

    /// <summary>Creates the instruments on expiry's meter.</summary>
    public ExpiryMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Kuik.Expiry");
        _decisions = meter.CreateCounter<long>("kuik_expiry_decisions", description: "Decisions about images, by outcome: unused");
        _announced = meter.CreateCounter<long>(
            "kuik_expiry_announced", description:
            "Announcements of copies and evictions that were due, by kind (fetch or evict) and outcome (queued, or returned: no queue has "
                + "taken it)");
        meter.CreateObservableGauge("kuik_work_due", () => Measure(kind => kind.Due),
            description: "Work that is due and that no replica has claimed, by kind: fetch, evict, expire or expire-at; as of the "
                + "last sweep of the leader");
        meter.CreateObservableGauge("kuik_work_overdue", () => Measure(kind => kind.Overdue),
            description: "Work that has been due for more than a minute and that no replica has claimed, by kind");
    }

    /// <summary>Counts a recorded decision.</summary>
    /// <param name="outcome"><c>unused</c>.</param>
    public void CountDecision(string outcome) => _decisions.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>Counts announced work.</summary>
    /// <param name="kind">A copy or an eviction.</param>
    /// <param name="isQueued">False when RabbitMQ returned it: no image-fetcher has declared its queue yet.</param>
    /// <param name="count">The number of announcements.</param>
    public void CountAnnounced(WorkKind kind, bool isQueued, int count) =>
        _announced.Add(count, Tag(kind), KeyValuePair.Create<string, object?>("outcome", isQueued ? "queued" : "returned"));

    /// <summary>Sets the amount of due work; empty when this replica does not lead.</summary>
    public void Show(IReadOnlyList<(WorkKind Kind, long Due, long Overdue)> counts) => _work = counts;

    private IEnumerable<Measurement<long>> Measure(Func<(WorkKind Kind, long Due, long Overdue), long> value) =>
        _work.Select(kind => new Measurement<long>(value(kind), Tag(kind.Kind)));

    private static KeyValuePair<string, object?> Tag(WorkKind kind) => KeyValuePair.Create<string, object?>("kind", WorkTable.NameOf(kind));
}
