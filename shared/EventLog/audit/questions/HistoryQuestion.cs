namespace Kuik.EventLog.Audit;

/// <summary>The history of an image, pod or workload.</summary>
/// <param name="Subject">It.</param>
public sealed record HistoryQuestion(Subject Subject)
{
    /// <summary>Of an image: also the pods and workloads that began and ended to use it. Default false.</summary>
    public bool WithUsers { get; init; }

    /// <summary>Only events after this place; null for all.</summary>
    public Instant? Since { get; init; }

    /// <summary>Only events up to this place; null for all.</summary>
    public Instant? Until { get; init; }

    /// <summary>Only events before this sequence number; null for all.</summary>
    public long? Before { get; init; }

    /// <summary>Only the last so many; null for all.</summary>
    public int? Limit { get; init; }

    /// <summary>Only images that a pod or workload of this namespace uses now, and only pods and workloads in it; null for all.</summary>
    public string? Namespace { get; init; }
}
