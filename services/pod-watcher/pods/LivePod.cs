using System.Globalization;
using Kuik.Contracts;

namespace Kuik.PodWatcher;

/// <summary>What is kept of a pod that runs through Kuik, or of a workload and its pod template.</summary>
/// <param name="Uid">Its user key (<see cref="EventLog.UserKey"/>): the pod's uid, or <c>Kind/uid</c> of a workload.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
/// <param name="Images">
/// For each container and image volume whose image Kuik rewrote, one entry; two where annotation and container disagree. Of a template, for
/// each image that it names.
/// </param>
/// <param name="PullSecrets">The pod's or the template's own, in its order.</param>
/// <param name="Account">Its ServiceAccount, as <c>namespace/name</c>.</param>
internal sealed record LivePod(string Uid, string Namespace, string Name, IReadOnlyList<PodImage> Images, IReadOnlyList<string> PullSecrets, string Account)
{
    /// <summary>Null until it is scheduled, and of a template.</summary>
    public string? Node { get; init; }

    /// <summary>The kind of its top controller; null for none.</summary>
    public string? OwnerKind { get; init; }

    /// <summary>The name of its top controller; null for none.</summary>
    public string? OwnerName { get; init; }

    /// <summary>UTC.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>UTC: set while it is being deleted.</summary>
    public DateTimeOffset? DeletedAt { get; init; }

    /// <summary><c>status.phase</c>; null of a workload.</summary>
    public string? Phase { get; init; }

    /// <summary>Its resourceVersion; null where that is no number, so that nothing can be said about older and newer.</summary>
    public long? Version { get; init; }

    /// <summary>Its node and the digests of all of its containers are known, so that it is worth while to record them.</summary>
    public bool IsDetailed =>
        Node is not null && Images.All(image => image.Digest is not null || IsVolume(image));

    /// <summary>Its node may still have to pull this image: it is not known to have started a container with it. Of an image volume nothing
    /// is known but whether the pod runs.</summary>
    /// <param name="image">The normalised reference.</param>
    public bool WaitsFor(string image) => DeletedAt is null && Phase is null or "Pending" or "Running"
        && Images.Any(use => use.Image == image && use.Digest is null && (Phase != "Running" || !IsVolume(use)));

    /// <summary>A resourceVersion as a number; null where it is none.</summary>
    public static long? ParseVersion(string? version) =>
        long.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static bool IsVolume(PodImage image) => image.Container.StartsWith("volume ", StringComparison.Ordinal);
}
