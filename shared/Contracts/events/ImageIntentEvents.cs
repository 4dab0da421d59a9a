namespace Kuik.Contracts;

// Stream image/{reference}: requests and intents. In every event, Image is the normalised reference, for example
// docker.io/library/nginx:1.27, and times are UTC. In the order in which they usually happen.

/// <summary>A pod uses this image, which is neither in the cache nor requested. Written by pod-watcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="WrittenAs">The reference as the pod's author wrote it.</param>
/// <param name="PodUid">The first pod that was seen to use it.</param>
/// <param name="RequestedAt">UTC.</param>
public sealed record RequestedByPod(string Image, string WrittenAs, string PodUid, DateTimeOffset RequestedAt);

/// <summary>A person created a CachedImage. Written by pod-watcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="WrittenAs">The resource's <c>spec.sourceImage</c>.</param>
/// <param name="ObjectName">The resource's name.</param>
/// <param name="RequestedAt">UTC.</param>
public sealed record RequestedByPerson(string Image, string WrittenAs, string ObjectName, DateTimeOffset RequestedAt)
{
    /// <summary>The field manager that wrote <c>spec.sourceImage</c>, for example <c>kubectl-create</c>; null when the API does not
    /// say.</summary>
    public string? FieldManager { get; init; }
}

/// <summary>A node pulled this image through Kuik before it was requested. Written by image-fetcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="RequestedAt">UTC.</param>
public sealed record RequestedByPull(string Image, DateTimeOffset RequestedAt);

/// <summary>The image's CachedImage resource has this name from now on. Written by pod-watcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="ObjectName">Unique among CachedImages.</param>
/// <param name="NamedAt">UTC.</param>
public sealed record ImageNamed(string Image, string ObjectName, DateTimeOffset NamedAt);

/// <summary><c>spec.retain</c> was set: the image never expires. Written by pod-watcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="RetainedAt">UTC.</param>
public sealed record ImageRetained(string Image, DateTimeOffset RetainedAt)
{
    /// <summary>The field manager that wrote <c>spec.retain</c>; null when the API does not say.</summary>
    public string? FieldManager { get; init; }
}

/// <summary><c>spec.retain</c> was taken back. Written by pod-watcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="ReleasedAt">UTC.</param>
public sealed record ImageReleased(string Image, DateTimeOffset ReleasedAt)
{
    /// <summary>The field manager that wrote <c>spec.retain</c>; null when the API does not say.</summary>
    public string? FieldManager { get; init; }
}

/// <summary>A person set <c>spec.expiresAt</c> of an image that nothing uses: it expires then, not after the expiry delay. A use or
/// <c>spec.retain</c> ends that. Written by pod-watcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="ExpiresAt">UTC; it may be over.</param>
/// <param name="SetAt">UTC.</param>
public sealed record ImageExpirySet(string Image, DateTimeOffset ExpiresAt, DateTimeOffset SetAt)
{
    /// <summary>The field manager that wrote <c>spec.expiresAt</c>; null when the API does not say.</summary>
    public string? FieldManager { get; init; }

    /// <summary>The uid of the CachedImage in which it was set; null in events of earlier versions.</summary>
    public string? ObjectUid { get; init; }
}

/// <summary>A person removed <c>spec.expiresAt</c>: the image expires after the expiry delay again. Written by pod-watcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="RemovedAt">UTC.</param>
public sealed record ImageExpiryRemoved(string Image, DateTimeOffset RemovedAt);
