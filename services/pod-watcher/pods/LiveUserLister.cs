using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Lists the existing pods and followed workloads by quorum reads. Each caller gets a list that began after its call; waiting callers share
/// one list, so that a thousand decisions do not list the cluster a thousand times. A list that makes no progress ends with an exception
/// (<see cref="KubernetesLimits"/>), and the next one begins.
/// </summary>
internal sealed class LiveUserLister(KubernetesApi api, WatchedKinds kinds)
{
    private readonly Lock _gate = new();
    private Task _running = Task.CompletedTask;
    private Task<LiveUserList>? _waiting;

    /// <summary>A list that begins after this call.</summary>
    /// <exception cref="KubernetesApiException">The API refused.</exception>
    /// <exception cref="HttpRequestException">The API is unreachable, or its answer makes no progress.</exception>
    public Task<LiveUserList> List(CancellationToken ct)
    {
        lock (_gate)
            return (_waiting ??= After(_running)).WaitAsync(ct);
    }

    private async Task<LiveUserList> After(Task before)
    {
        // Suppressed: the callers of that list have its exception; this is another list.
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
            (_running, _waiting) = (ended.Task, null);   // not the list itself: its result would stay in memory
        try
        {
            return await List();
        }
        finally
        {
            ended.SetResult();
        }
    }

    private async Task<LiveUserList> List()
    {
        var (uses, version) = await Uses(kinds.Pods);
        foreach (var kind in kinds.Workloads)
            uses.AddRange((await Uses(kind.Resource)).Uses);
        return new LiveUserList(uses.SelectMany(use => use).ToLookup(use => use.Image, use => use.Uid), version);
    }

    private async Task<(List<(string Image, string Uid)[]> Uses, string Version)> Uses(WatchedResource<Pod, LiveUser> kind)
    {
        return await api.List(kind, (_, user) => user.Images.Select(image => (image.Image, user.Uid)).ToArray(), CancellationToken.None);
    }
}
