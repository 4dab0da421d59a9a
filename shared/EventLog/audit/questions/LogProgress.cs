namespace Kuik.EventLog.Audit;

/// <summary>The progress of reading the log.</summary>
/// <param name="Done">The sequence number, or the number of events.</param>
/// <param name="Total">The last one; null when it is not known.</param>
public readonly record struct LogProgress(long Done, long? Total);
