namespace Kuik.EventLog.Audit;

/// <summary>The events of the log, in its order.</summary>
public sealed record EventQuestion
{
    /// <summary>Only events with a larger sequence number; null for those after the end of the log.</summary>
    public Instant? After { get; init; }

    /// <summary>Only events up to this place; null for no limit. Not of a stream that follows the log.</summary>
    public Instant? Until { get; init; }

    /// <summary>Only streams that match (<see cref="ImageQuestion.Matches"/>); null for all.</summary>
    public string? Stream { get; init; }

    /// <summary>Only events of these types; null for all.</summary>
    public IReadOnlyList<string>? Types { get; init; }

    /// <summary>Only events by this actor (<see cref="EventLine.Actor"/>); null for all.</summary>
    public string? Actor { get; init; }

    /// <summary>The line of an event that is asked for, whatever its place and type; null for any other one.</summary>
    public EventLine? Find(RecordedEvent one)
    {
        if (Stream is { } pattern && !ImageQuestion.Matches(pattern, one.Stream))
            return null;
        var line = EventLine.Of(one);
        return Actor is null || line.Actor == Actor ? line : null;
    }
}
