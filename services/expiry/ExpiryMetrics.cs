using System.Diagnostics.Metrics;
using Kuik.Contracts;
using Kuik.EventLog;

namespace Kuik.Expiry;

/// <summary>Counts what this service decides and announces, and shows what is due. Injected as a singleton.</summary>
public sealed class ExpiryMetrics
{
    private readonly Counter<long> decisions;
    private readonly Counter<long> announced;
    private volatile IReadOnlyList<(WorkKind Kind, long Due, long Overdue)> work = [];

    /// <summary>Counts on expiry's meter.</summary>
    public ExpiryMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Kuik.Expiry");
        decisions = meter.CreateCounter<long>("kuik_expiry_decisions", description: "Decisions about images, by outcome: unused");
        announced = meter.CreateCounter<long>(
            "kuik_expiry_announced", description:
            "Announcements of copies and evictions that were due, by kind (fetch or evict) and outcome (queued, or returned: no queue has taken it)");
        meter.CreateObservableGauge("kuik_work_due", () => Measure(kind => kind.Due),
            description: "Work that is due and that no replica has claimed, by kind: fetch, evict or expire; as of the last sweep of the leader");
        meter.CreateObservableGauge("kuik_work_overdue", () => Measure(kind => kind.Overdue),
            description: "Work that has been due for more than a minute and that no replica has claimed, by kind");
    }

    /// <summary>A decision was recorded.</summary>
    /// <param name="outcome"><c>unused</c>.</param>
    public void CountDecision(string outcome) => decisions.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>Work was announced.</summary>
    /// <param name="kind">A copy or a removal.</param>
    /// <param name="isQueued">False when RabbitMQ returned it: no image-fetcher has made its queue yet.</param>
    /// <param name="count">How often.</param>
    public void CountAnnounced(WorkKind kind, bool isQueued, int count) =>
        announced.Add(count, Tag(kind), KeyValuePair.Create<string, object?>("outcome", isQueued ? "queued" : "returned"));

    /// <summary>What is due now; empty when this replica does not lead.</summary>
    public void Show(IReadOnlyList<(WorkKind Kind, long Due, long Overdue)> counts) => work = counts;

    private IEnumerable<Measurement<long>> Measure(Func<(WorkKind Kind, long Due, long Overdue), long> value) =>
        work.Select(kind => new Measurement<long>(value(kind), Tag(kind.Kind)));

    private static KeyValuePair<string, object?> Tag(WorkKind kind) => KeyValuePair.Create<string, object?>("kind", WorkTable.NameOf(kind));
}
