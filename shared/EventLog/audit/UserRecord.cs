using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>A pod or workload as its last observation recorded it.</summary>
/// <param name="Key">The user's key (<see cref="UserKey"/>).</param>
/// <param name="Kind"><c>Pod</c>, or the workload's kind.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
/// <param name="Images">One entry for each container or image volume.</param>
/// <param name="PullSecrets">Names of secrets in its namespace.</param>
/// <param name="ObservedAt">UTC: when it was recorded like this.</param>
public sealed record UserRecord(
    string Key, string Kind, string Namespace, string Name, IReadOnlyList<PodImage> Images, IReadOnlyList<string> PullSecrets,
    DateTimeOffset ObservedAt)
{
    /// <summary>The node; null for a workload, and until the pod was scheduled.</summary>
    public string? Node { get; init; }

    /// <summary>Its top controller, for example <c>Deployment/web</c>; null for none.</summary>
    public string? Owner { get; init; }

    /// <summary>The ServiceAccount; null in events of earlier versions.</summary>
    public string? ServiceAccount { get; init; }

    /// <summary>UTC: when Kubernetes created it; null in events of earlier versions.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>The references that it uses, each once, sorted.</summary>
    public IEnumerable<string> References => ImageUsers.ImagesOf(Images);

    /// <summary>The key of the user that the event is about, and its record after the event: null when it uses nothing any more. Null for
    /// events of other streams.</summary>
    public static (string Key, UserRecord? User)? Read(object? fact) => fact switch
    {
        PodObserved e => (e.PodUid, new UserRecord(e.PodUid, "Pod", e.Namespace, e.Name, e.Images, e.PullSecrets, e.ObservedAt)
        {
            Node = e.Node,
            Owner = e.OwnerKind is null ? null : $"{e.OwnerKind}/{e.OwnerName}",
            ServiceAccount = e.ServiceAccount,
            CreatedAt = e.CreatedAt,
        }),
        WorkloadObserved e => (UserKey.OfWorkload(e.Kind, e.WorkloadUid), new UserRecord(
            UserKey.OfWorkload(e.Kind, e.WorkloadUid), e.Kind, e.Namespace, e.Name, e.Images, e.PullSecrets, e.ObservedAt)
        {
            Owner = e.OwnerKind is null ? null : $"{e.OwnerKind}/{e.OwnerName}",
            ServiceAccount = e.ServiceAccount,
            CreatedAt = e.CreatedAt,
        }),
        PodGone e => (e.PodUid, null),
        WorkloadGone e => (UserKey.OfWorkload(e.Kind, e.WorkloadUid), null),
        _ => null,
    };
}
