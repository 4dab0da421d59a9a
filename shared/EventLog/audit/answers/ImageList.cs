namespace Kuik.EventLog.Audit;

/// <summary>Images, by reference.</summary>
/// <param name="Sequence">The sequence number of the last event in it; 0 for none.</param>
/// <param name="Time">UTC: when that event was recorded; null for none.</param>
/// <param name="Images">The images.</param>
/// <param name="Next">The cursor of the next page; null for the last one.</param>
public sealed record ImageList(long Sequence, DateTimeOffset? Time, IReadOnlyList<ImageRow> Images, string? Next = null);
