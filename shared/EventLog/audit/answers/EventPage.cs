namespace Kuik.EventLog.Audit;

/// <summary>A page of the log.</summary>
/// <param name="Events">In the order of the log.</param>
/// <param name="Last">The sequence number to continue after, also when there are no events.</param>
public sealed record EventPage(IReadOnlyList<EventLine> Events, long Last)
{
    /// <summary>The next page's <c>after</c>; null when the page reaches the end of the log or of what was asked for.</summary>
    public string? Next { get; init; }

    /// <inheritdoc cref="EventList.Horizon"/>
    public string? Horizon { get; init; }
}
