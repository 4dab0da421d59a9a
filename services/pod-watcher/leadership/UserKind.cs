using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>A kind of object that uses images.</summary>
/// <param name="WorkloadKind">For example <c>Deployment</c>; null: pods.</param>
/// <param name="Resource">Its watched resource, by user key.</param>
internal sealed record UserKind(string? WorkloadKind, WatchedResource<Pod, LiveUser> Resource)
{
    /// <summary>Its plural, for logs and readiness.</summary>
    public string What => Resource.What;

    /// <summary>The path of one object.</summary>
    public string PathOf(LiveUser user)
    {
        var slash = Resource.Path.LastIndexOf('/');
        return $"{Resource.Path[..slash]}/namespaces/{user.Namespace}{Resource.Path[slash..]}/{user.Name}";
    }
}
