namespace Kuik.EventLog.Audit;

/// <summary>A place at which the log is not what its hash chain says.</summary>
/// <param name="Sequence">The event.</param>
/// <param name="Found">The difference, in one sentence.</param>
public sealed record ChainDifference(long Sequence, string Found);
