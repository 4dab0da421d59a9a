using Kuik.Contracts;

namespace Kuik.ImageFetcher;

/// <summary>What an announced fetch comes to.</summary>
public enum FetchDecision
{
    /// <summary>This replica takes the image on.</summary>
    Take,

    /// <summary>The cache can serve it.</summary>
    AlreadyCached,

    /// <summary>It has expired since, or nobody ever asked for it.</summary>
    NotWanted,

    /// <summary>Another replica is at it and has been heard of recently. If it dies, expiry announces the image again.</summary>
    HeldByAnother,

    /// <summary>The last copy failed and its time to be tried again has not come; expiry announces it then.</summary>
    NotYetDue,
}

/// <summary>What the decisions about fetching read of an image's stream.</summary>
/// <param name="IsWanted">Somebody asked for it, and it has not expired since.</param>
/// <param name="IsCached">The cache can serve it. Not true of an expired image: it may leave at any moment.</param>
/// <param name="By">The replica that holds the lease; null when nobody does.</param>
/// <param name="LeaseUntil">UTC: when that replica is taken to be gone.</param>
/// <param name="Failures">Failed copies in a row.</param>
/// <param name="RetryAt">UTC: not before then; null when it may be copied at once.</param>
public sealed record Fetching(bool IsWanted, bool IsCached, string? By, DateTimeOffset LeaseUntil, int Failures, DateTimeOffset? RetryAt)
{
    /// <summary>Nobody has asked for the image.</summary>
    public static readonly Fetching Nothing = new(IsWanted: false, IsCached: false, By: null, LeaseUntil: default, Failures: 0, RetryAt: null);

    /// <summary>The state after one more fact.</summary>
    public static Fetching Fold(Fetching image, object fact) => fact switch
    {
        RequestedByPod or RequestedByPerson or RequestedByPull => image with { IsWanted = true, Failures = 0, RetryAt = null },
        FetchDue => image with { RetryAt = null },
        ImageFetchStarted started => image with { By = started.By, LeaseUntil = started.LeaseUntil },
        ImageCached => image with { IsCached = true, By = null, Failures = 0, RetryAt = null },
        ImageFetchFailed failed => image with { By = null, Failures = image.Failures + 1, RetryAt = failed.RetryAt },
        ImageExpired => image with { IsWanted = false, IsCached = false, Failures = 0, RetryAt = null },
        ImageEvicted => image with { IsCached = false },
        _ => image,
    };
}

public static class FetchImage
{
    /// <summary>Is this replica to copy the image now? Decided from the stream alone: the message only says where to look.</summary>
    /// <param name="image">The fold of its stream.</param>
    /// <param name="now">UTC.</param>
    /// <param name="by">This replica's name. Its own lease, from before it was killed, does not hold it up.</param>
    public static FetchDecision Decide(Fetching image, DateTimeOffset now, string by) => image switch
    {
        { IsWanted: false } => FetchDecision.NotWanted,
        { IsCached: true } => FetchDecision.AlreadyCached,
        { By: { } holder } when holder != by && image.LeaseUntil > now => FetchDecision.HeldByAnother,
        { RetryAt: { } due } when due > now => FetchDecision.NotYetDue,
        _ => FetchDecision.Take,
    };
}
