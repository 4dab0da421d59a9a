namespace Kuik.EventLog;

/// <summary>The streams that a transaction has removed from the log.</summary>
/// <param name="Streams">Their number.</param>
/// <param name="Events">The number of their events.</param>
/// <param name="LastSequence">The highest sequence number of these; 0 for none.</param>
/// <param name="LastRecordedAt">UTC: the latest time of these; null for none.</param>
internal sealed record RemovedStreams(long Streams, long Events, long LastSequence, DateTime? LastRecordedAt)
{
    public static readonly RemovedStreams None = new(0, 0, 0, null);
}
