using System.Collections.Concurrent;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>CachedImages that this service deletes itself, so that it does not take it for a person's wish when it sees them go. Thread
/// safe.</summary>
internal sealed class OwnDeletions
{
    private readonly ConcurrentDictionary<string, bool> _uids = new();

    /// <summary>Deletes a resource. One that was not deleted by this is a person's to delete.</summary>
    public async Task Delete(RateLimitedApi api, CachedImage resource, CancellationToken ct)
    {
        var uid = resource.Metadata.Uid!;
        _uids[uid] = true;   // before: the watch may be quicker than the answer
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

    /// <summary>Is it one of ours?</summary>
    public bool Contains(string uid) => _uids.ContainsKey(uid);

    /// <summary>It has been seen to go.</summary>
    public void Remove(string uid) => _uids.TryRemove(uid, out _);
}
