namespace Kuik.EventLog.Audit;

/// <summary>The result of a verification.</summary>
/// <param name="State">The fold of the whole log.</param>
/// <param name="Differences">All that were found, in the order of the parts; empty when everything agrees.</param>
/// <param name="Skipped">The comparisons that could not be made, each in one sentence.</param>
public sealed record LogVerification(ReplayedState State, IReadOnlyList<LogDifference> Differences, IReadOnlyList<string> Skipped);
