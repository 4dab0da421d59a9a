namespace Kuik.EventLog.Audit;

/// <summary>The differences between the states at two places in the log.</summary>
/// <param name="From">The earlier sequence number.</param>
/// <param name="To">The later sequence number.</param>
/// <param name="Differences">Images first, by name.</param>
public sealed record DifferenceList(long From, long To, IReadOnlyList<StateDifference> Differences);
