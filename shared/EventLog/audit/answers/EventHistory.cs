namespace Kuik.EventLog.Audit;

/// <summary>The events of an image, pod or workload.</summary>
/// <param name="Subject">It.</param>
/// <param name="Events">In the order of the log.</param>
/// <param name="Next">The cursor of the page of older events; null when there is none.</param>
public sealed record EventHistory(string Subject, IReadOnlyList<EventLine> Events, string? Next = null)
{
    /// <summary>The place up to which ended streams were removed from the log, for a sentence; null when nothing was.</summary>
    public string? Horizon { get; init; }
}
