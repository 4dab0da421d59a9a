using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>A user's decisions in a CachedImage. While they stay the same, a change of the resource has no consequences.</summary>
internal sealed record ImageIntent(string Uid, string SourceImage, bool Retain, bool IsRefreshRequested)
{
    /// <summary>The intent of a resource.</summary>
    public static ImageIntent From(CachedImage resource) =>
        new(resource.Metadata.Uid!, resource.Spec?.SourceImage ?? "", resource.Spec?.Retain == true, resource.IsRefreshRequested);
}
