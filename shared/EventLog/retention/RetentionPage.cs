namespace Kuik.EventLog;

/// <summary>The result of one step of the walk through the log.</summary>
/// <param name="Removed">The removed streams.</param>
/// <param name="HasMore">True when the next events may be old enough too.</param>
/// <param name="HeldUpBy">Why the next event, which is old enough, has to stay: <c>projections</c>, <c>export</c> or <c>chain</c>; null
/// when it is young, or there is none.</param>
/// <param name="Late">How long that event has been old enough.</param>
internal sealed record RetentionPage(RemovedStreams Removed, bool HasMore, string? HeldUpBy, TimeSpan Late)
{
    /// <summary>Another transaction walks.</summary>
    public static readonly RetentionPage None = new(RemovedStreams.None, false, null, TimeSpan.Zero);
}
