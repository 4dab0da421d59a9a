using System.Globalization;
using Kuik.Contracts;

namespace Kuik.PodWatcher;

/// <summary>The state that is kept of a followed pod, or of a workload and its pod template.</summary>
/// <param name="Uid">Its user key (<see cref="EventLog.UserKey"/>): the pod's uid, or <c>Kind/uid</c> of a workload.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
/// <param name="Images">
/// One entry for each container and image volume whose image Kuik rewrote; two where annotation and container differ. Of a template, one
/// for each image in it.
/// </param>
/// <param name="PullSecrets">Those of the pod or template, in its order.</param>
/// <param name="Account">Its ServiceAccount, as <c>namespace/name</c>.</param>
internal sealed record LiveUser(string Uid, string Namespace, string Name, IReadOnlyList<PodImage> Images,
    IReadOnlyList<string> PullSecrets,
    string Account)
{
    /// <summary>Its ServiceAccount, without the namespace.</summary>
    public string AccountName => Account[(Account.IndexOf('/', StringComparison.Ordinal) + 1)..];

    /// <summary>Its node; null until it is scheduled, and for a workload.</summary>
    public string? Node { get; init; }

    /// <summary>The kind of its top controller; null for none.</summary>
    public string? OwnerKind { get; init; }

    /// <summary>The name of its top controller; null for none.</summary>
    public string? OwnerName { get; init; }

    /// <summary>UTC.</summary>
    public DateTimeOffset? CreatedAt { get => FromTicks(_createdAt); init => _createdAt = value?.UtcTicks ?? 0; }

    /// <summary>UTC: set while it is being deleted; else null.</summary>
    public DateTimeOffset? DeletedAt { get => FromTicks(_deletedAt); init => _deletedAt = value?.UtcTicks ?? 0; }

    /// <summary><c>status.phase</c>; null for a workload.</summary>
    public string? Phase { get; init; }

    /// <summary>Its resourceVersion; null when that is not a number, so that states cannot be ordered.</summary>
    public long? Version { get; init; }

    /// <summary>True when its node and the digests of all of its containers are known.</summary>
    public bool IsDetailed =>
        Node is not null && Images.All(image => image.Digest is not null || IsVolume(image));

    /// <summary>True when its node may still have to pull this image: no container is known to have started with it. For an image volume
    /// only the phase of the pod is known.</summary>
    /// <param name="image">The normalised reference.</param>
    public bool WaitsFor(string image) => DeletedAt is null && Phase is null or "Pending" or "Running"
        && Images.Any(use => use.Image == image && use.Digest is null && (Phase != "Running" || !IsVolume(use)));

    /// <summary>Parses a resourceVersion; null when it is not a number.</summary>
    public static long? ParseVersion(string? version) =>
        long.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    // As ticks, 0 for none: a third of the size of a nullable time, for each of a hundred thousand pods.
    private readonly long _createdAt;
    private readonly long _deletedAt;

    private static DateTimeOffset? FromTicks(long ticks) => ticks == 0 ? null : new DateTimeOffset(ticks, TimeSpan.Zero);

    /// <summary>True for an image volume, false for a container.</summary>
    public static bool IsVolume(PodImage image) => image.Container.StartsWith("volume ", StringComparison.Ordinal);
}
