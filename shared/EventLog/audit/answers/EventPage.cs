namespace Kuik.EventLog.Audit;

/// <summary>A page of the log.</summary>
/// <param name="Events">In the order of the log.</param>
/// <param name="Last">The sequence number to continue after, also when there are no events.</param>
public sealed record EventPage(IReadOnlyList<EventLine> Events, long Last);
