namespace Kuik.EventLog.Audit;

/// <summary>The use of one image by one container, from when to when.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Digest">The bytes that the container ran; null where they were not known.</param>
/// <param name="Container">The container's name, or the volume's.</param>
/// <param name="Kind"><c>Pod</c>, or the workload's kind.</param>
/// <param name="Namespace">The namespace of the pod or workload.</param>
/// <param name="Name">Its name.</param>
/// <param name="User">Its user key.</param>
/// <param name="From">UTC: when the use was recorded.</param>
public sealed record ImageUse(
    string Image, string? Digest, string Container, string Kind, string Namespace, string Name, string User, DateTimeOffset From)
{
    /// <summary>The node; null for a workload, and for a pod that was never scheduled.</summary>
    public string? Node { get; init; }

    /// <summary>The top controller, for example <c>Deployment/web</c>; null for none.</summary>
    public string? Owner { get; init; }

    /// <summary>The ServiceAccount; null where it was not recorded.</summary>
    public string? ServiceAccount { get; init; }

    /// <summary>UTC: when its end was recorded; null while it goes on.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary>The use of each container of a pod or workload as it was recorded.</summary>
    /// <param name="user">The observation.</param>
    /// <param name="from">UTC: when it was recorded.</param>
    public static IEnumerable<ImageUse> Of(UserRecord user, DateTimeOffset from) => user.Images.Select(one => new ImageUse(
        one.Image, one.Digest, one.Container, user.Kind, user.Namespace, user.Name, user.Key, from)
    {
        Node = user.Node,
        Owner = user.Owner,
        ServiceAccount = user.ServiceAccount,
    });
}
