using Kuik.Contracts;

namespace Kuik.PodWatcher;

/// <summary>What this service's decisions need to know of an image: a fold of its stream.</summary>
/// <param name="HasBeenWanted">It has been requested at some time.</param>
/// <param name="IsWanted">It has been requested, and not expired since.</param>
/// <param name="IsRefused">The last attempt failed in a way that only a change, for example another pull secret, can help.</param>
/// <param name="UnusedSince">UTC: since when nothing uses it; null while it is not marked unused.</param>
/// <param name="IsRetained">A person asked for it never to expire.</param>
/// <param name="ObjectName">The name of its CachedImage; null until it has one.</param>
internal sealed record ImageUse(bool HasBeenWanted, bool IsWanted, bool IsRefused, DateTimeOffset? UnusedSince, bool IsRetained, string? ObjectName)
{
    /// <summary>Before the first event.</summary>
    public static readonly ImageUse Nothing = new(false, false, false, null, false, null);

    /// <summary>The state after one more event.</summary>
    public static ImageUse Fold(ImageUse image, object fact) => fact switch
    {
        RequestedByPod => image with { HasBeenWanted = true, IsWanted = true, IsRefused = false, UnusedSince = null },
        RequestedByPerson => image with { HasBeenWanted = true, IsWanted = true, IsRefused = false },
        RequestedByPull => image with { HasBeenWanted = true, IsWanted = true },
        ImageNamed e => image with { ObjectName = e.ObjectName },
        ImageRetained => image with { IsRetained = true },
        ImageReleased => image with { IsRetained = false },
        ImageCached => image with { IsRefused = false },
        ImageFetchFailed e => image with { IsRefused = !e.RetryHelps },
        ImageUnused e => image with { UnusedSince = e.Since },
        ImageUsedAgain => image with { UnusedSince = null },
        ImageExpired => image with { IsWanted = false, IsRefused = false, UnusedSince = null },
        _ => image,
    };
}
