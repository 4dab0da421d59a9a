namespace Kuik.EventLog;

/// <summary>An event that is stored when its transaction commits.</summary>
/// <param name="Fact">The event.</param>
/// <param name="TraceParent">The activity in which it was decided, by W3C; null for none. Several pods, each with a trace of its own, are
/// recorded in one transaction.</param>
internal sealed record PendingEvent(object Fact, string? TraceParent);
