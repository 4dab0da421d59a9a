namespace Kuik.EventLog.Audit;

/// <summary>The question is about a time of which the log has lost events by <c>Kuik:Log:RetainFor</c>. The message is one sentence for a
/// person.</summary>
public sealed class HistoryRemovedException(string message) : Exception(message);
