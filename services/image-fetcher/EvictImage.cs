using Kuik.Contracts;

namespace Kuik.ImageFetcher;

/// <summary>What an announced eviction comes to.</summary>
public enum EvictDecision
{
    /// <summary>This replica removes the image's tag.</summary>
    Take,

    /// <summary>The image has not expired, or somebody asked for it since.</summary>
    NotExpired,

    /// <summary>The tag has been removed.</summary>
    AlreadyEvicted,

    /// <summary>Another replica is at it and has been heard of recently.</summary>
    HeldByAnother,
}

/// <summary>What the decisions about evicting read of an image's stream.</summary>
/// <param name="IsExpired">It expired, and nobody has asked for it or used it since.</param>
/// <param name="IsEvicted">Its tag has been removed and not been written again.</param>
/// <param name="By">The replica that is removing it; null when nobody is.</param>
/// <param name="LeaseUntil">UTC: when that replica is taken to be gone.</param>
public sealed record Evicting(bool IsExpired, bool IsEvicted, string? By, DateTimeOffset LeaseUntil)
{
    /// <summary>The image is not known.</summary>
    public static readonly Evicting Nothing = new(IsExpired: false, IsEvicted: false, By: null, LeaseUntil: default);

    /// <summary>The state after one more fact.</summary>
    public static Evicting Fold(Evicting image, object fact) => fact switch
    {
        RequestedByPod or RequestedByPerson or RequestedByPull or ImageUsedAgain or ImageRetained => image with { IsExpired = false },
        ImageExpired => image with { IsExpired = true, IsEvicted = false },
        ImageEvictionStarted started => image with { By = started.By, LeaseUntil = started.LeaseUntil },
        ImageEvicted => image with { IsEvicted = true, By = null },
        // A copy that was under way when the image expired has written the tag: whoever was removing it may have been too early.
        ImageCached => image with { IsEvicted = false, By = null },
        _ => image,
    };
}

public static class EvictImage
{
    /// <summary>Is this replica to remove the image's tag now? Decided from the stream alone, and once more right before the tag is removed.</summary>
    /// <param name="image">The fold of its stream.</param>
    /// <param name="now">UTC.</param>
    /// <param name="by">This replica's name. Its own lease does not hold it up.</param>
    public static EvictDecision Decide(Evicting image, DateTimeOffset now, string by) => image switch
    {
        { IsExpired: false } => EvictDecision.NotExpired,
        { IsEvicted: true } => EvictDecision.AlreadyEvicted,
        { By: { } holder } when holder != by && image.LeaseUntil > now => EvictDecision.HeldByAnother,
        _ => EvictDecision.Take,
    };
}
