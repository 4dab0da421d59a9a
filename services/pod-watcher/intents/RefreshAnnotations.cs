using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>The annotations that ask for a comparison with the origin, from their recording to their removal. Each is recorded once, also
/// when its removal fails; one that is set again after its removal is another one. Thread-safe.</summary>
internal sealed class RefreshAnnotations
{
    private readonly ConcurrentDictionary<string, (string? Uid, string? Version, bool IsRemoved)> _byName = new();

    /// <summary>True for an annotation that is to be recorded.</summary>
    public bool IsNew(CachedImage resource) => resource.IsRefreshRequested && !(Find(resource) is { } known
        && (!known.IsRemoved || known.Version == resource.Metadata.ResourceVersion));   // the watch has not told of its removal yet

    /// <summary>True for an annotation that is to be recorded or removed.</summary>
    public bool IsOpen(CachedImage resource) => resource.IsRefreshRequested && (Find(resource) is { IsRemoved: false } || IsNew(resource));

    /// <summary>Removes a recorded annotation, as v1 did: it asks for one comparison, and can be set again for another. It is removed from
    /// the version of the resource that was read: one that is seen on another version was set again.</summary>
    /// <exception cref="KubernetesApiException">The resource has changed since; or the API refused.</exception>
    public async Task Remove(RateLimitedApi api, CachedImage resource, CancellationToken ct)
    {
        Record(resource);
        var none = new Dictionary<string, string> { [Names.ForceUpdateAnnotation] = null! };
        var metadata = new ObjectMeta { Annotations = none, ResourceVersion = resource.Metadata.ResourceVersion };
        var path = $"{CachedImage.Path}/{resource.Metadata.Name}?fieldManager={CachedImageReconciler.FieldManager}";
        await api.Merge(path, new CachedImage { Metadata = metadata }, KubernetesJson.Default.CachedImage, ct);
        RecordRemoved(resource);
    }

    /// <summary>Notes that it is recorded.</summary>
    public void Record(CachedImage resource) => Note(resource, isRemoved: false);

    /// <summary>Notes that it was removed from this version of the resource.</summary>
    public void RecordRemoved(CachedImage resource) => Note(resource, isRemoved: true);

    /// <summary>Removes the entry of a deleted resource.</summary>
    public void Forget(string name) => _byName.TryRemove(name, out _);

    private (string? Version, bool IsRemoved)? Find(CachedImage resource) =>
        _byName.TryGetValue(resource.Metadata.Name!, out var known) && known.Uid == resource.Metadata.Uid
            ? (known.Version, known.IsRemoved)
            : null;

    private void Note(CachedImage resource, bool isRemoved) =>
        _byName[resource.Metadata.Name!] = (resource.Metadata.Uid, resource.Metadata.ResourceVersion, isRemoved);
}
