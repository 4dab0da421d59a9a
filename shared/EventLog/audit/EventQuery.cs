namespace Kuik.EventLog.Audit;

/// <summary>The events to read; by default all of them.</summary>
public sealed record EventQuery
{
    /// <summary>Only events with a larger sequence number. Default 0.</summary>
    public long After { get; init; }

    /// <summary>Only events up to this sequence number. Default no limit.</summary>
    public long Until { get; init; } = long.MaxValue;

    /// <summary>True to read only what a fold needs, several times as fast: no id, no data but <see cref="RecordedEvent.Fact"/>, no
    /// headers, ids of causes, archive flag and .NET type. Default false.</summary>
    public bool ForFold { get; init; }

    /// <summary>Only events of these streams; null for all.</summary>
    public IReadOnlyCollection<string>? Streams { get; init; }

    /// <summary>Only events of these types; null for all.</summary>
    public IReadOnlyCollection<string>? Types { get; init; }

    /// <summary>Only events of streams of images. Default false.</summary>
    public bool OfImagesOnly { get; init; }

    /// <summary>Only observations and ends of pods and workloads that name this image; null for all events.</summary>
    public string? UsersOf { get; init; }

    /// <summary>Only events of pods and workloads with this name; null for all events.</summary>
    public (string Namespace, string Name)? User { get; init; }
}
