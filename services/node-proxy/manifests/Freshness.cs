namespace Kuik.NodeProxy;

/// <summary>Where an answer stands, in time since the start of the memory.</summary>
/// <param name="Source">The source that gave it.</param>
/// <param name="AskedAt">When its source was asked: the answer is as of then.</param>
/// <param name="GoodUntil">Until then it is given without asking.</param>
/// <param name="Note">The note of the last lookup; empty for none.</param>
internal sealed record Freshness(string Source, TimeSpan AskedAt, TimeSpan GoodUntil, string Note)
{
    /// <summary>The outcome of a pull that is answered with it from memory.</summary>
    public PullOutcome FromMemory => Note.Length == 0 ? PullOutcome.PlainMemory : new PullOutcome(PullOutcome.Memory, Note);
}
