using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>One complete list of the pods that run through Kuik.</summary>
/// <param name="UidsByImage">Uids of the pods that use each image, by normalised reference.</param>
/// <param name="ResourceVersion">The version of the cluster that it is a snapshot of: the evidence of what is concluded from it.</param>
internal sealed record PodList(ILookup<string, string> UidsByImage, string ResourceVersion);

/// <summary>
/// The pods that exist now, by a quorum read: each caller gets a list that began after it asked. Callers that wait share one list, so that
/// a thousand decisions do not read the cluster a thousand times. A list that makes no progress ends with an exception (<see
/// cref="KubernetesLimits"/>), and the next
/// one begins.
/// </summary>
internal sealed class LivePodLister(KubernetesApi api, WatchedKinds kinds)
{
    private readonly Lock gate = new();
    private Task running = Task.CompletedTask;
    private Task<PodList>? waiting;

    /// <summary>A list that begins after this call.</summary>
    /// <exception cref="KubernetesApiException">The API said no.</exception>
    /// <exception cref="HttpRequestException">The API cannot be reached, or its answer makes no progress.</exception>
    public Task<PodList> List(CancellationToken ct)
    {
        lock (gate)
            return (waiting ??= After(running)).WaitAsync(ct);
    }

    private async Task<PodList> After(Task before)
    {
        // Suppressed: the callers of that list have its exception; this is another list.
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
            (running, waiting) = (ended.Task, null);   // not the list itself: its result would stay in memory
        try
        {
            return await List();
        }
        finally
        {
            ended.SetResult();
        }
    }

    private async Task<PodList> List()
    {
        var (uses, version) = await api.List(kinds.Pods, (_, pod) => pod.Images.Select(image => (image.Image, pod.Uid)).ToArray(), CancellationToken.None);
        return new PodList(uses.SelectMany(use => use).ToLookup(use => use.Image, use => use.Uid), version);
    }
}
