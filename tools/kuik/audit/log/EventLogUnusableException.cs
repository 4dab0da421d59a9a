namespace Kuik.CommandLine.Audit;

/// <summary>The event log cannot be used as asked. The message is the one line that is printed.</summary>
internal sealed class EventLogUnusableException(string message, Exception? cause = null) : Exception(message, cause);
