namespace Kuik.EventLog.Audit;

/// <summary>The changes of a rebuild.</summary>
/// <param name="Sequence">The last event in what was written.</param>
/// <param name="Events">The number of events that were folded.</param>
/// <param name="Parts">The number of corrected keys of each part (<c>usage</c>, <c>snapshot</c>, <c>work</c>, <c>view</c>,
/// <c>repository</c>): users, images, repositories. 0 where nothing was wrong.</param>
/// <param name="Waited">From the request of the lock that keeps writers out until it was granted; in this time new writes waited too.
/// </param>
/// <param name="Locked">From the lock to the commit.</param>
/// <param name="Skipped">The parts that were not rebuilt, each with its reason in one sentence.</param>
public sealed record RebuildResult(
    long Sequence, long Events, IReadOnlyDictionary<string, int> Parts, TimeSpan Waited, TimeSpan Locked, IReadOnlyList<string> Skipped);
