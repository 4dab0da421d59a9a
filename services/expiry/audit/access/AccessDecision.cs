namespace Kuik.Expiry.Audit;

/// <summary>The decision about a request.</summary>
/// <param name="Caller">The user of its token.</param>
/// <param name="Refusal">Null when it is admitted.</param>
public sealed record AccessDecision(Caller Caller, Refusal? Refusal);
