namespace Kuik.EventLog.Audit;

/// <summary>A pod or workload in a list of an image's users.</summary>
/// <param name="Kind"><c>Pod</c>, or the workload's kind.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
/// <param name="Uid">The user's key.</param>
/// <param name="Containers">The containers that have the image.</param>
/// <param name="Since">UTC: when it was recorded as it is.</param>
public sealed record UserRow(
    string Kind, string Namespace, string Name, string Uid, IReadOnlyList<string> Containers, DateTimeOffset Since)
{
    /// <summary>The node; null for none.</summary>
    public string? Node { get; init; }

    /// <summary>Its top controller; null for none.</summary>
    public string? Owner { get; init; }

    /// <summary>The ServiceAccount; null where it was not recorded.</summary>
    public string? ServiceAccount { get; init; }

    /// <summary>The digest that it runs; null where it is not known.</summary>
    public string? Digest { get; init; }

    /// <summary>UTC: when it was created; null where it was not recorded.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>The row of a user of this image.</summary>
    public static UserRow Of(UserRecord user, string image)
    {
        var used = user.Images.Where(one => one.Image == image).ToList();
        return new UserRow(user.Kind, user.Namespace, user.Name, user.Key, [.. used.Select(one => one.Container)], user.ObservedAt)
        {
            Node = user.Node,
            Owner = user.Owner,
            ServiceAccount = user.ServiceAccount,
            Digest = used.Select(one => one.Digest).FirstOrDefault(digest => digest is not null),
            CreatedAt = user.CreatedAt,
        };
    }
}
