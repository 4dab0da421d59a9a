namespace Kuik.EventLog.Audit;

/// <summary>The events of the log, in its order.</summary>
public sealed record EventQuestion
{
    /// <summary>Only events with a larger sequence number; null for those after the end of the log.</summary>
    public Instant? After { get; init; }

    /// <summary>Only streams that match (<see cref="ImageQuestion.Matches"/>); null for all.</summary>
    public string? Stream { get; init; }

    /// <summary>Only events of these types; null for all.</summary>
    public IReadOnlyList<string>? Types { get; init; }

    /// <summary>True for an event that is asked for; its place does not matter.</summary>
    public bool Covers(RecordedEvent one) => Stream is not { } pattern || ImageQuestion.Matches(pattern, one.Stream);
}
