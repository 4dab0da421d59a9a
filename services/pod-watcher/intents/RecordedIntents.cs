using System.Collections.Concurrent;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

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
    public bool MayWrite(CachedImage resource) =>
        resource.Managers.IsTakenUp || Find(resource.Metadata.Name!)?.Uid == resource.Metadata.Uid;
}
