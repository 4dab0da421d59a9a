namespace Kuik.EventLog.Audit;

/// <summary>The result of a verification of the hash chain.</summary>
/// <param name="Head">The last event in the chain and its hash; null for an empty log.</param>
/// <param name="IsRecorded">False when the log has no hashes: those of its events were computed now, and only kept heads prove
/// anything.</param>
/// <param name="Events">The number of events in the chain.</param>
/// <param name="Removed">The number of events in the chain that retention has removed.</param>
/// <param name="Unchained">The number of events after the head.</param>
/// <param name="Horizon">The place up to which retention has removed ended streams.</param>
/// <param name="Differences">In the order of the log; empty when everything agrees.</param>
public sealed record ChainVerification(
    KeptHead? Head, bool IsRecorded, long Events, long Removed, long Unchained, LogHorizon Horizon,
    IReadOnlyList<ChainDifference> Differences);
