namespace Kuik.Contracts;

// Stream workload/{uid}: the images that a workload's pods would use, whether it has pods or not.

/// <summary>A followed workload exists and its pod template names these images. Recorded again, whole, when they change. Written by
/// pod-watcher.</summary>
/// <param name="WorkloadUid">The workload's uid; the stream is <c>workload/{uid}</c>.</param>
/// <param name="Kind">For example <c>Deployment</c>.</param>
/// <param name="Namespace">The workload's namespace.</param>
/// <param name="Name">The workload's name.</param>
/// <param name="Images">One entry for each container, init container and image volume of the template, as its author wrote it.</param>
/// <param name="PullSecrets">Names of secrets in the namespace that may open its registries: the template's own, then its
/// ServiceAccount's.</param>
/// <param name="ObservedAt">UTC.</param>
public sealed record WorkloadObserved(
    string WorkloadUid, string Kind, string Namespace, string Name, IReadOnlyList<PodImage> Images, IReadOnlyList<string> PullSecrets,
    DateTimeOffset ObservedAt)
{
    /// <summary>The kind of its controller, for example <c>Deployment</c> of a ReplicaSet; null when it has none.</summary>
    public string? OwnerKind { get; init; }

    /// <summary>The name of that controller, in the workload's namespace.</summary>
    public string? OwnerName { get; init; }

    /// <summary>The ServiceAccount that its pods run as.</summary>
    public string? ServiceAccount { get; init; }

    /// <summary>UTC: the workload's <c>metadata.creationTimestamp</c>.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>The workload's <c>metadata.resourceVersion</c> when it was observed.</summary>
    public string? ResourceVersion { get; init; }
}

/// <summary>The workload is no longer there, or its kind is no longer followed. Written by pod-watcher.</summary>
/// <param name="WorkloadUid">The workload's uid.</param>
/// <param name="Kind">For example <c>Deployment</c>.</param>
/// <param name="Namespace">The workload's namespace.</param>
/// <param name="Name">The workload's name.</param>
/// <param name="Images">The normalised references it used until now, each once.</param>
/// <param name="GoneAt">UTC: when its absence was noticed.</param>
public sealed record WorkloadGone(
    string WorkloadUid, string Kind, string Namespace, string Name, IReadOnlyList<string> Images, DateTimeOffset GoneAt)
{
    /// <summary><c>Deleted</c> (its deletion was seen), <c>Absent</c> (a complete list lacks it) or <c>NotFollowed</c> (its kind is not
    /// among <c>Kuik:FollowedWorkloads</c>).</summary>
    public string? Reason { get; init; }

    /// <summary>UTC: the workload's <c>metadata.deletionTimestamp</c>; null when it had none.</summary>
    public DateTimeOffset? DeletedAt { get; init; }
}
