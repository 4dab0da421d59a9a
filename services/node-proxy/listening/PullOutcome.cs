namespace Kuik.NodeProxy;

/// <summary>How a pull ended, for its one line in the log and for the metrics.</summary>
/// <param name="Source">The source of the answer: <c>memory</c>, <c>cache</c>, <c>fetcher</c>, <c>origin</c>, or <c>none</c>.</param>
/// <param name="Note">The difference from a plain answer of that source; empty for none.</param>
internal sealed record PullOutcome(string Source, string Note)
{
    public const string NoSource = "none";
    public const string Memory = "memory";

    /// <summary>It was here and nothing was odd.</summary>
    public static readonly PullOutcome PlainMemory = new(Memory, "");

    /// <summary>It was here or in the cache and nothing was odd: not worth a line.</summary>
    public bool IsPlainHit => Source is "cache" or Memory && Note.Length == 0;
}
