namespace Kuik.Contracts;

// Stream pod/{uid}: the images that a pod uses. Pods have streams of their own, so that an image with ten thousand
// pods does not record each of them.

/// <summary>A managed pod exists and uses these images. Recorded again, whole, when its images change. Written by pod-watcher.</summary>
/// <param name="PodUid">The pod's uid; the stream is <c>pod/{uid}</c>.</param>
/// <param name="Namespace">The pod's namespace.</param>
/// <param name="Name">The pod's name.</param>
/// <param name="Images">One entry for each container, init container, ephemeral container and image volume whose image Kuik
/// rewrote.</param>
/// <param name="PullSecrets">Names of secrets in the pod's namespace that may open its registries: the pod's own, then its
/// ServiceAccount's.</param>
/// <param name="ObservedAt">UTC.</param>
public sealed record PodObserved(string PodUid, string Namespace, string Name, IReadOnlyList<PodImage> Images,
    IReadOnlyList<string> PullSecrets, DateTimeOffset ObservedAt)
{
    /// <summary>The node; null until the pod is scheduled.</summary>
    public string? Node { get; init; }

    /// <summary>The kind of its top controller, for example <c>Deployment</c>; null when it has none.</summary>
    public string? OwnerKind { get; init; }

    /// <summary>The name of that controller, in the pod's namespace (or the cluster, for one that has none).</summary>
    public string? OwnerName { get; init; }

    /// <summary>The ServiceAccount that it runs as.</summary>
    public string? ServiceAccount { get; init; }

    /// <summary>UTC: the pod's <c>metadata.creationTimestamp</c>.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>The pod's <c>metadata.resourceVersion</c> when it was observed.</summary>
    public string? ResourceVersion { get; init; }
}

/// <summary>The image of one container or image volume.</summary>
/// <param name="Container">The container's name; of an image volume <c>volume NAME</c> (a container's name has no space).</param>
/// <param name="Image">The normalised reference.</param>
/// <param name="WrittenAs">The reference as the pod's author wrote it.</param>
public sealed record PodImage(string Container, string Image, string WrittenAs)
{
    /// <summary>The digest that the container runs, as <c>status.containerStatuses[].imageID</c> names it: <c>sha256:</c> and 64 hex
    /// digits; null until it is known.</summary>
    public string? Digest { get; init; }
}

/// <summary>The pod is no longer there. Written by pod-watcher.</summary>
/// <param name="PodUid">The pod's uid.</param>
/// <param name="Namespace">The pod's namespace.</param>
/// <param name="Name">The pod's name.</param>
/// <param name="Images">The normalised references it used until now, each once.</param>
/// <param name="GoneAt">UTC: when its absence was noticed.</param>
public sealed record PodGone(string PodUid, string Namespace, string Name, IReadOnlyList<string> Images, DateTimeOffset GoneAt)
{
    /// <summary><c>Deleted</c> (its deletion was seen), <c>Absent</c> (a complete list lacks it) or <c>LabelRemoved</c> (it lives and is no
    /// longer followed); null in events of earlier versions.</summary>
    public string? Reason { get; init; }

    /// <summary>UTC: the pod's <c>metadata.deletionTimestamp</c>; null when it was not seen.</summary>
    public DateTimeOffset? DeletedAt { get; init; }

    /// <summary>The pod's last known <c>status.phase</c>; null when it was not seen.</summary>
    public string? Phase { get; init; }
}
