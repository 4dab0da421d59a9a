using Kuik.Contracts;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>A user's decisions in a CachedImage. While they stay the same, a change of the resource has no consequences.</summary>
/// <param name="Uid">The uid of the resource.</param>
/// <param name="SourceImage"><c>spec.sourceImage</c>.</param>
/// <param name="Retain"><c>spec.retain</c>.</param>
/// <param name="IsRefreshRequested">The annotation that asks for a comparison with the origin is set.</param>
/// <param name="ExpiresAt"><c>spec.expiresAt</c>, if a person has set it; null for none, or for one that Kuik has calculated.</param>
internal sealed record ImageIntent(string Uid, string SourceImage, bool Retain, bool IsRefreshRequested, DateTimeOffset? ExpiresAt)
{
    /// <summary>The intent of a resource.</summary>
    /// <param name="resource">The current resource.</param>
    /// <param name="recorded">A person's time to expire that is in the log: Kuik writes it into a resource that lacks it.</param>
    public static ImageIntent From(CachedImage resource, DateTimeOffset? recorded) => new(
        resource.Metadata.Uid!, resource.Spec?.SourceImage ?? "", resource.Spec?.Retain == true, resource.IsRefreshRequested,
        resource.Managers.ExpiresAt is not null || resource.Spec?.ExpiresAt == recorded ? resource.Spec?.ExpiresAt : null);

    /// <summary>True when a person has removed <c>spec.expiresAt</c>, and that is not recorded: the resource has none, and the recorded one
    /// was read from this very resource. One that Kuik has not written yet came by another resource.</summary>
    /// <param name="resource">The current resource.</param>
    /// <param name="log">The image's state.</param>
    public static bool IsExpiryRemoved(CachedImage resource, ImageState log) =>
        resource.Spec?.ExpiresAt is null && log.ExpiresAt is not null && log.ExpirySetIn is { } uid && uid == resource.Metadata.Uid;

    /// <summary>The event that a person's last edit before a deletion asks for, if it was not recorded any more: <c>spec.retain</c> was
    /// taken away. Null for none: the resource of an image that stays retained is put back.</summary>
    /// <param name="log">The image's state.</param>
    /// <param name="last">The resource before its deletion.</param>
    /// <param name="now">UTC.</param>
    public ImageReleased? DecideReleased(ImageState log, CachedImage last, DateTimeOffset now) =>
        Retain && last.Spec?.Retain != true && log.IsRetained && log.ObjectName == last.Metadata.Name
            ? new ImageReleased(log.Image, now) { FieldManager = last.Managers.Retain }
            : null;
}
