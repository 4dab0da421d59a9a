namespace Kuik.NodeProxy;

/// <summary>The outcome of a pull, for its line in the log and for the metrics.</summary>
/// <param name="Source">The source of the answer: <c>memory</c>, <c>cache</c>, <c>fetcher</c>, <c>origin</c>, or <c>none</c>.</param>
/// <param name="Note">The difference from a plain answer of that source; empty for none.</param>
internal sealed record PullOutcome(string Source, string Note)
{
    public const string NoSource = "none";
    public const string Memory = "memory";

    /// <summary>Served from memory, without anything to report.</summary>
    public static readonly PullOutcome PlainMemory = new(Memory, "");

    /// <summary>True when it was served from memory or the cache, without anything to report: not logged.</summary>
    public bool IsPlainHit => Source is "cache" or Memory && Note.Length == 0;
}
