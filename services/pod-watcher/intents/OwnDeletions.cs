using System.Collections.Concurrent;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>The CachedImages that this service deletes itself, so that their deletion is not taken for a user's. Thread-safe.</summary>
internal sealed class OwnDeletions
{
    private readonly ConcurrentDictionary<string, bool> _uids = new();

    /// <summary>Deletes a resource. All other deletions are users'.</summary>
    public async Task Delete(RateLimitedApi api, CachedImage resource, CancellationToken ct)
    {
        var uid = resource.Metadata.Uid!;
        _uids[uid] = true;   // before the call: the watch may be faster than the response
        var isDeleted = false;
        try
        {
            isDeleted = await api.Delete<CachedImage>($"{CachedImage.Path}/{resource.Metadata.Name}", uid, ct);
        }
        finally
        {
            if (!isDeleted)
                Remove(uid);
        }
    }

    /// <summary>True for a deletion of this service.</summary>
    public bool Contains(string uid) => _uids.ContainsKey(uid);

    /// <summary>Removes an entry after its deletion was seen.</summary>
    public void Remove(string uid) => _uids.TryRemove(uid, out _);
}
