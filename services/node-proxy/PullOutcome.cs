namespace Kuik.NodeProxy;

/// <summary>How a pull ended, for its one line in the log and for the metrics.</summary>
/// <param name="Source">Who gave the answer: <c>cache</c>, <c>fetcher</c>, <c>origin</c>, or <c>none</c>.</param>
/// <param name="Note">What went otherwise than in a plain answer of that source; empty when nothing did.</param>
internal sealed record PullOutcome(string Source, string Note)
{
    public const string NoSource = "none";

    /// <summary>The cache had it and nothing was odd: not worth a line.</summary>
    public bool IsPlainHit => Source == "cache" && Note.Length == 0;
}
