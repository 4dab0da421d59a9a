namespace Kuik.EventLog.Audit;

/// <summary>The uses of images within a time.</summary>
/// <param name="Filter">The uses to list.</param>
public sealed record UseHistoryQuestion(UseFilter Filter)
{
    /// <summary>Only uses that had not ended at this place; null for all.</summary>
    public Instant? Since { get; init; }

    /// <summary>Only uses that had begun at this place; null for the end of the log.</summary>
    public Instant? Until { get; init; }

    /// <summary>The largest number of uses that are listed; null for no limit.</summary>
    public int? Most { get; init; }
}
