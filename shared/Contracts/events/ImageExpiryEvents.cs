namespace Kuik.Contracts;

// Stream image/{reference}: the end of its use, expiry and eviction. In every event, Image is the normalised reference, for example
// docker.io/library/nginx:1.27, and times are UTC. In the order in which they usually happen.

/// <summary>Nothing uses the image any more. Written by expiry.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Since">UTC: from when the expiry delay counts.</param>
/// <param name="ExpiresAt">UTC: when it expires if nothing changes.</param>
public sealed record ImageUnused(string Image, DateTimeOffset Since, DateTimeOffset ExpiresAt);

/// <summary>A pod or workload uses the image again before it expired. Written by pod-watcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="PodUid">The uid of the pod that does, or of the workload.</param>
/// <param name="UsedAt">UTC.</param>
public sealed record ImageUsedAgain(string Image, string PodUid, DateTimeOffset UsedAt)
{
    /// <summary>The kind of the workload that does, for example <c>CronJob</c>; null for a pod.</summary>
    public string? WorkloadKind { get; init; }
}

/// <summary>The image has been unused for the whole expiry delay: only in logs of earlier versions. Written by expiry.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="UnusedSince">UTC.</param>
/// <param name="ProposedAt">UTC.</param>
public sealed record ExpiryProposed(string Image, DateTimeOffset UnusedSince, DateTimeOffset ProposedAt);

/// <summary>A person deleted the CachedImage: the request for the image is withdrawn. Written by pod-watcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="ForgottenAt">UTC.</param>
public sealed record ImageForgotten(string Image, DateTimeOffset ForgottenAt)
{
    /// <summary>The field manager that last wrote the resource's spec; null when the API does not say.</summary>
    public string? FieldManager { get; init; }
}

/// <summary>The image is to leave the cache: nothing used it when this was decided. Written by pod-watcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="ExpiredAt">UTC.</param>
public sealed record ImageExpired(string Image, DateTimeOffset ExpiredAt)
{
    /// <summary>Why: <c>unused</c> (the delay is over), <c>expires-at</c> (the time of <c>spec.expiresAt</c> has come), <c>cache-limit</c>
    /// (the cache was too large) or <c>forgotten</c> (its resource was deleted); null in events of earlier versions.</summary>
    public string? Reason { get; init; }

    /// <summary>UTC: from when the delay counted; null when there was none.</summary>
    public DateTimeOffset? UnusedSince { get; init; }

    /// <summary>The expiry delay that held; null when there was none.</summary>
    public TimeSpan? Delay { get; init; }

    /// <summary>The evidence: the resource version of the complete list of pods in which no pod used the image. Workloads that are
    /// followed were listed after it.</summary>
    public string? PodsListedAt { get; init; }
}

/// <summary>An expired image has not been evicted in time: only a message, the log has it from earlier versions. Written by
/// expiry.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="ExpiredAt">UTC: when it became due.</param>
/// <param name="AnnouncedAt">UTC.</param>
public sealed record EvictionDue(string Image, DateTimeOffset ExpiredAt, DateTimeOffset AnnouncedAt);

/// <summary>An image-fetcher is removing the image's tag from the cache. Written by image-fetcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="By">The replica's name.</param>
/// <param name="LeaseUntil">UTC: if nothing more has been recorded by then, the replica is taken to be gone.</param>
/// <param name="StartedAt">UTC.</param>
public sealed record ImageEvictionStarted(string Image, string By, DateTimeOffset LeaseUntil, DateTimeOffset StartedAt)
{
    /// <summary>The number of this claim, counted for each image together with those of copies; 0 in events of earlier versions.</summary>
    public long Attempt { get; init; }
}

/// <summary>The image's tag is gone from the cache. Written by image-fetcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="EvictedAt">UTC.</param>
public sealed record ImageEvicted(string Image, DateTimeOffset EvictedAt)
{
    /// <summary>The claim that it completes: it counts only while that is the current one. 0 in events of earlier versions, which count for
    /// any.</summary>
    public long Attempt { get; init; }

    /// <summary>The digest that the tag had; null when it was not in the cache.</summary>
    public string? Digest { get; init; }

    /// <summary>The size that the last copy recorded; null when it was not in the cache. Bytes that other images share stay.</summary>
    public long? SizeInBytes { get; init; }
}
