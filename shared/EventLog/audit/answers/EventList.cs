namespace Kuik.EventLog.Audit;

/// <summary>The events of a part of the log.</summary>
/// <param name="Events">In the order of the log.</param>
public sealed record EventList(IReadOnlyList<EventLine> Events)
{
    /// <summary>The place up to which ended streams were removed from the log, for a sentence; null when nothing was that was asked
    /// for.</summary>
    public string? Horizon { get; init; }
}
