using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// The pods that exist now, by a quorum read: each caller gets a list that began after it asked. Callers that wait share one list, so that
/// a thousand decisions do not read the cluster a thousand times.
/// </summary>
internal sealed class LivePods(KubernetesApi api, WatchedKinds kinds)
{
    private readonly Lock gate = new();
    private Task<ILookup<string, string>> running = Task.FromResult(Enumerable.Empty<string>().ToLookup(uid => uid));
    private Task<ILookup<string, string>>? waiting;

    /// <summary>Uids of the pods that use each image.</summary>
    /// <exception cref="KubernetesRefused">The API said no.</exception>
    /// <exception cref="HttpRequestException">The API cannot be reached.</exception>
    public Task<ILookup<string, string>> UsersByImage(CancellationToken ct)
    {
        lock (gate)
            return (waiting ??= After(running)).WaitAsync(ct);
    }

    private async Task<ILookup<string, string>> After(Task before)
    {
        // Suppressed: whoever asked for that list has been told; this one is another.
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        lock (gate)
            (running, waiting) = (waiting!, null);
        return await List();
    }

    private async Task<ILookup<string, string>> List()
    {
        var pods = await api.ListAll(kinds.Pods, CancellationToken.None);
        return pods.SelectMany(pod => pod.Images.Select(image => (image.Image, pod.Uid))).ToLookup(use => use.Image, use => use.Uid);
    }
}
