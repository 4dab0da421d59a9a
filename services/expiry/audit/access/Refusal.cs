namespace Kuik.Expiry.Audit;

/// <summary>A request that is not admitted.</summary>
/// <param name="Status">Of HTTP.</param>
/// <param name="Sentence">The reason.</param>
/// <param name="RetryAfter">The wait before another attempt; null when none would help.</param>
public sealed record Refusal(int Status, string Sentence, TimeSpan? RetryAfter = null);
