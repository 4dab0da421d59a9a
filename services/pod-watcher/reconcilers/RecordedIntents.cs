using System.Collections.Concurrent;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>What a person can decide on a CachedImage. While it stays the same, nothing follows from a change of the resource.</summary>
internal sealed record ImageIntent(string Uid, string SourceImage, bool Retain)
{
    /// <summary>That of a resource.</summary>
    public static ImageIntent From(CachedImage resource) => new(resource.Metadata.Uid!, resource.Spec?.SourceImage ?? "", resource.Spec?.Retain == true);
}

/// <summary>The wishes that have been recorded, by name of the resource. Thread safe.</summary>
internal sealed class RecordedIntents
{
    private readonly ConcurrentDictionary<string, ImageIntent> _byName = new();

    /// <summary>The last one that was recorded; null for none.</summary>
    public ImageIntent? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>It has been recorded.</summary>
    public void Record(string name, ImageIntent imageIntent) => _byName[name] = imageIntent;

    /// <summary>The resource is gone.</summary>
    public void Forget(string name) => _byName.TryRemove(name, out _);

    /// <summary>Kuik may write into the resource: it made it, or what a person asked for with it is recorded. Written to before, it could
    /// no longer be told from Kuik's own.</summary>
    public bool MayWrite(CachedImage resource) => resource.Managers.IsTakenUp || Find(resource.Metadata.Name!)?.Uid == resource.Metadata.Uid;
}
