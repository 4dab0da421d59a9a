namespace Kuik.Expiry.Audit;

/// <summary>A question to Kubernetes about a token, and its answer.</summary>
/// <param name="ApiVersion"><c>authentication.k8s.io/v1</c>.</param>
/// <param name="Kind"><c>TokenReview</c>.</param>
/// <param name="Spec">The question.</param>
/// <param name="Status">The answer; null in the question.</param>
public sealed record TokenReview(string ApiVersion, string Kind, TokenReviewSpec? Spec, TokenReviewStatus? Status = null)
{
    /// <summary>The path of its collection.</summary>
    public const string Path = "apis/authentication.k8s.io/v1/tokenreviews";

    /// <summary>The review of a token.</summary>
    public static TokenReview Of(string token) => new("authentication.k8s.io/v1", "TokenReview", new TokenReviewSpec(token));

    /// <summary>The user; null when the token is not valid.</summary>
    public Caller? FindCaller() => Status is { Authenticated: true, User.Username: { Length: > 0 } name } status
        ? new Caller(name, status.User!.Uid, status.User.Groups ?? [], status.User.Extra)
        : null;

    /// <inheritdoc/>
    public override string ToString() => Kind;   // without the token
}

/// <summary>The token.</summary>
public sealed record TokenReviewSpec(string Token);

/// <summary>The answer.</summary>
/// <param name="Authenticated">True for a valid token.</param>
/// <param name="User">Its user.</param>
/// <param name="Error">Why it could not be reviewed.</param>
public sealed record TokenReviewStatus(bool Authenticated, ReviewedUser? User, string? Error);

/// <summary>The user of a token.</summary>
public sealed record ReviewedUser(
    string? Username, string? Uid, IReadOnlyList<string>? Groups, IReadOnlyDictionary<string, IReadOnlyList<string>>? Extra);
