using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>The kinds of objects that this service watches, and the state that it keeps of each.</summary>
/// <param name="options">This service's.</param>
/// <param name="traces">Gets the pods that are read; null for none.</param>
internal sealed class WatchedKinds(WatcherOptions options, PodTraces? traces = null)
{
    /// <summary>The pods with the webhook's label, or all that have not opted out, by uid, because names are reused.</summary>
    public WatchedResource<Pod, LiveUser> Pods { get; } = new(
        "pods", Pod.Path, options.FollowsAllPods
            ? Names.PolicyLabel + "!=ignore"
            : Names.ManagedLabel, PodJson.Default.ResourceListPod, PodJson.Default.WatchLinePod,
        pod => pod.Metadata.Uid!, pod =>
        {
            traces?.Note(pod);
            return ReadPod.Read(pod, options.ProxyPorts, options.FollowsAllPods);
        });

    /// <summary>The followed kinds of workloads, each by user key.</summary>
    public IReadOnlyList<UserKind> Workloads { get; } =
        [.. options.FollowedWorkloads.Select(kind => new UserKind(kind, Workload(kind, options)))];

    /// <summary>All kinds that use images.</summary>
    /// <returns>Pods first.</returns>
    public IReadOnlyList<UserKind> Users => field ??= [new UserKind(null, Pods), .. Workloads];

    /// <summary>The ServiceAccounts that pods run as, by <c>namespace/name</c>.</summary>
    public WatchedResource<ServiceAccount, AccountSecrets> Accounts { get; } = new(
        "serviceaccounts", ServiceAccount.Path, null, PodJson.Default.ResourceListServiceAccount, PodJson.Default.WatchLineServiceAccount,
        account => $"{account.Metadata.Namespace}/{account.Metadata.Name}", account =>
            new AccountSecrets(ReadPod.SecretNames(account.ImagePullSecrets)));

    /// <summary>The CachedImages, by name.</summary>
    public WatchedResource<CachedImage, CachedImage> CachedImages { get; } = new(
        "cachedimages", CachedImage.Path, null, KubernetesJson.Default.ResourceListCachedImage, KubernetesJson.Default.WatchLineCachedImage,
        image => SharedTexts.Get(image.Metadata.Name!), image => image.WithManagers().ToKeep(SharedTexts.Get));

    /// <summary>The Repositories, by name.</summary>
    public WatchedResource<Repository, Repository> Repositories { get; } = new(
        "repositories", Repository.Path, null, KubernetesJson.Default.ResourceListRepository, KubernetesJson.Default.WatchLineRepository,
        repository => SharedTexts.Get(repository.Metadata.Name!), repository => repository.ToKeep(SharedTexts.Get));

    private static WatchedResource<Pod, LiveUser> Workload(string kind, WatcherOptions options)
    {
        var plural = kind.ToLowerInvariant() + "s";
        return new WatchedResource<Pod, LiveUser>(
            plural, $"apis/{(kind is "Job" or "CronJob" ? "batch" : "apps")}/v1/{plural}", null,
            PodJson.Default.ResourceListPod, PodJson.Default.WatchLinePod,
            workload => UserKey.OfWorkload(kind, workload.Metadata.Uid!), workload =>
                ReadPod.ReadTemplate(kind, workload, options.ProxyPorts));
    }
}
