using System.Text.Json.Serialization;
using Kuik.Contracts;

namespace Kuik.Kubernetes;

/// <summary>The resource <c>Repository</c> (its fields are described in deploy/kustomize/base/crds/repository.yaml). Null is
/// "absent".</summary>
public sealed record Repository : IResource
{
    /// <summary>The API path of all of them; an object's path is this, a slash and its name.</summary>
    public const string Path = $"apis/{Names.Group}/{Names.Version}/repositories";

    private const string VersionOfAll = $"{Names.Group}/{Names.Version}";

    public string ApiVersion { get; init; } = VersionOfAll;

    public string Kind { get; init; } = nameof(Repository);

    public required ObjectMeta Metadata { get; init; }

    string? IResource.ResourceVersion => Metadata.ResourceVersion;

    public RepositorySpec? Spec { get; init; }

    public RepositoryStatus? Status { get; init; }

    /// <summary>Kuik has written its status; read from the metadata by <see cref="ToKeep"/>, never written. False for a resource of v1 that
    /// has not been taken up.</summary>
    [JsonIgnore]
    public bool IsShown { get; init; }

    /// <summary>The same resource in the form that is kept in memory for thousands of repositories: of its metadata only name, uid and
    /// versions. The trees of managed fields would be most of it.</summary>
    /// <param name="share">Returns the one instance of a text that many resources have.</param>
    public Repository ToKeep(Func<string, string> share) => this with
    {
        ApiVersion = VersionOfAll,
        Kind = nameof(Repository),
        IsShown = Metadata.ManagedFields?.Any(IsOurStatus) == true,
        Metadata = Metadata with
        {
            Name = Metadata.Name is null ? null : share(Metadata.Name),
            ManagedFields = null,
            Annotations = null,
            Labels = null,
        },
        Spec = Spec?.Name is null ? Spec : Spec with { Name = share(Spec.Name) },
        Status = Status is null ? null : Status with
        {
            Phase = Status.Phase is null ? null : share(Status.Phase),
            Conditions = Status.Conditions is null ? null : [.. Status.Conditions.Select(condition => condition with
            {
                Type = share(condition.Type),
                Status = share(condition.Status),
                Reason = share(condition.Reason),
                Message = share(condition.Message),
            })],
        },
    };

    private static bool IsOurStatus(ManagedFields entry) =>
        entry.Manager?.StartsWith(CachedImageManagers.Ours, StringComparison.Ordinal) == true && entry.Owns("status");
}

/// <summary>The identity of the repository, and the user's choices for it.</summary>
public sealed record RepositorySpec
{
    /// <summary>Host and path: <c>docker.io/library/nginx</c>.</summary>
    public string? Name { get; init; }

    public IReadOnlyList<string>? PullSecretNames { get; init; }

    public string? PullSecretsNamespace { get; init; }

    public string? UpdateInterval { get; init; }

    public IReadOnlyList<string>? UpdateFilters { get; init; }

    /// <summary>True when only its name is set.</summary>
    [JsonIgnore]
    public bool IsOnlyName =>
        PullSecretNames is not { Count: > 0 } && PullSecretsNamespace is null && UpdateInterval is null
            && UpdateFilters is not { Count: > 0 };
}

/// <summary>The state of its images.</summary>
/// <param name="Images">The number of its CachedImages.</param>
/// <param name="Phase"><c>Ready</c>, <c>Pulling</c>, <c>ErrImagePull</c>, or <c>Invalid</c> when its spec cannot be used.</param>
/// <param name="Conditions">One, of type <c>Ready</c>.</param>
public sealed record RepositoryStatus(int? Images, string? Phase, IReadOnlyList<ResourceCondition>? Conditions);

/// <summary>A condition in Kubernetes' common format.</summary>
/// <param name="Type">For example <c>Ready</c>.</param>
/// <param name="Status"><c>True</c>, <c>False</c> or <c>Unknown</c>.</param>
/// <param name="LastTransitionTime">UTC: when the status last changed.</param>
/// <param name="Reason">One word.</param>
/// <param name="Message">One sentence.</param>
public sealed record ResourceCondition(
    string Type, string Status, [property: JsonConverter(typeof(KubernetesTime))] DateTimeOffset? LastTransitionTime, string Reason,
    string Message);
