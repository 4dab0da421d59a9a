using System.Collections.Concurrent;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>A user's decisions in a CachedImage. While they stay the same, a change of the resource has no consequences.</summary>
/// <param name="Uid">Of the resource.</param>
/// <param name="SourceImage"><c>spec.sourceImage</c>.</param>
/// <param name="Retain"><c>spec.retain</c>.</param>
/// <param name="ExpiresAt"><c>spec.expiresAt</c>, if a person has set it; null for none, or for one that Kuik has calculated.</param>
internal sealed record ImageIntent(string Uid, string SourceImage, bool Retain, DateTimeOffset? ExpiresAt)
{
    /// <summary>The intent of a resource.</summary>
    /// <param name="resource">As it is.</param>
    /// <param name="recorded">The time to expire that the log has from a person: Kuik writes it into a resource that lacks it.</param>
    public static ImageIntent From(CachedImage resource, DateTimeOffset? recorded) => new(
        resource.Metadata.Uid!, resource.Spec?.SourceImage ?? "", resource.Spec?.Retain == true,
        resource.Managers.ExpiresAt is not null || resource.Spec?.ExpiresAt == recorded ? resource.Spec?.ExpiresAt : null);
}

/// <summary>The recorded intents, by name of the resource. Thread-safe.</summary>
internal sealed class RecordedIntents
{
    private readonly ConcurrentDictionary<string, ImageIntent> _byName = new();

    /// <summary>The last recorded intent; null for none.</summary>
    public ImageIntent? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Notes a recorded intent.</summary>
    public void Record(string name, ImageIntent imageIntent) => _byName[name] = imageIntent;

    /// <summary>Removes the entry of a deleted resource.</summary>
    public void Forget(string name) => _byName.TryRemove(name, out _);

    /// <summary>
    /// True when Kuik may write into the resource: it created it, or the user's intent is recorded. Written to before, it would be
    /// indistinguishable from Kuik's own.
    /// </summary>
    public bool MayWrite(CachedImage resource) => resource.Managers.IsTakenUp || Find(resource.Metadata.Name!)?.Uid == resource.Metadata.Uid;
}
