namespace Kuik.EventLog.Audit;

/// <summary>A disagreement between the log and something that is derived from it, or within the log.</summary>
/// <param name="Part"><c>log</c>, <c>snapshot</c>, <c>usage</c>, <c>work</c>, <c>view</c>, <c>resource</c> or <c>registry</c>.</param>
/// <param name="Subject">The stream, image or user that it is about.</param>
/// <param name="Found">The disagreement, in one sentence.</param>
public sealed record LogDifference(string Part, string Subject, string Found);
