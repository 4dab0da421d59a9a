namespace Kuik.Expiry.Audit;

/// <summary>A question to Kubernetes about a right of a user, and its answer.</summary>
/// <param name="ApiVersion"><c>authorization.k8s.io/v1</c>.</param>
/// <param name="Kind"><c>SubjectAccessReview</c>.</param>
/// <param name="Spec">The question.</param>
/// <param name="Status">The answer; null in the question.</param>
public sealed record SubjectAccessReview(string ApiVersion, string Kind, AccessReviewSpec? Spec, AccessReviewStatus? Status = null)
{
    /// <summary>The path of its collection.</summary>
    public const string Path = "apis/authorization.k8s.io/v1/subjectaccessreviews";

    /// <summary>The API group of the audit's resource.</summary>
    public const string Group = "kuik.enix.io";

    /// <summary>The resource of the audit. It needs no CustomResourceDefinition: rules of RBAC may name any.</summary>
    public const string Resource = "audits";

    /// <summary>The review of a verb on the audit.</summary>
    /// <param name="caller">The user.</param>
    /// <param name="verb"><c>get</c> or <c>watch</c>.</param>
    /// <param name="space">The namespace; null for the whole cluster.</param>
    public static SubjectAccessReview Of(Caller caller, string verb, string? space) => new(
        "authorization.k8s.io/v1", "SubjectAccessReview", new AccessReviewSpec(
            caller.User, caller.Uid, caller.Groups, caller.Extra, new ReviewedResource(Group, Resource, verb, space)));
}

/// <summary>The user and the right.</summary>
public sealed record AccessReviewSpec(
    string User, string? Uid, IReadOnlyList<string> Groups, IReadOnlyDictionary<string, IReadOnlyList<string>>? Extra,
    ReviewedResource ResourceAttributes);

/// <summary>The right: a verb on a resource, in a namespace or, for null, in the whole cluster.</summary>
public sealed record ReviewedResource(string Group, string Resource, string Verb, string? Namespace);

/// <summary>The answer.</summary>
/// <param name="Allowed">True when the user has the right.</param>
/// <param name="Reason">Why, in the words of the authorizer.</param>
public sealed record AccessReviewStatus(bool Allowed, string? Reason);
