namespace Kuik.Expiry.Audit;

/// <summary>A user of Kubernetes, as TokenReview names it.</summary>
/// <param name="User">Its name.</param>
/// <param name="Uid">Its uid; null for none.</param>
/// <param name="Groups">Its groups.</param>
/// <param name="Extra">Further properties that its authenticator has set, for the authorizer.</param>
public sealed record Caller(
    string User, string? Uid, IReadOnlyList<string> Groups, IReadOnlyDictionary<string, IReadOnlyList<string>>? Extra)
{
    /// <summary>A caller whose token was not, or not yet, reviewed.</summary>
    public static readonly Caller Unknown = new("-", null, [], null);
}
