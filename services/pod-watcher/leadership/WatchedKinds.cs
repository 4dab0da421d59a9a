using Kuik.Contracts;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>What this service follows in the cluster, and what it keeps of it.</summary>
internal sealed class WatchedKinds(WatcherOptions settings)
{
    /// <summary>The pods that the webhook has seen, or all that have not opted out, by uid: a name may be used again.</summary>
    public WatchedResource<Pod, LivePod> Pods { get; } = new(
        "pods", Pod.Path, settings.FollowsAllPods ? Names.PolicyLabel + "!=ignore" : Names.ManagedLabel, PodJson.Default.ResourceListPod, PodJson.Default.WatchLinePod,
        pod => pod.Metadata.Uid!, pod => ReadPod.Read(pod, settings.ProxyPorts, settings.FollowsAllPods));

    /// <summary>The ServiceAccounts that pods run as, by <c>namespace/name</c>.</summary>
    public WatchedResource<ServiceAccount, AccountSecrets> Accounts { get; } = new(
        "serviceaccounts", ServiceAccount.Path, null, PodJson.Default.ResourceListServiceAccount, PodJson.Default.WatchLineServiceAccount,
        account => $"{account.Metadata.Namespace}/{account.Metadata.Name}", account => new AccountSecrets(ReadPod.SecretNames(account.ImagePullSecrets)));

    /// <summary>The CachedImages, by name.</summary>
    public WatchedResource<CachedImage, CachedImage> CachedImages { get; } = new(
        "cachedimages", CachedImage.Path, null, KubernetesJson.Default.ResourceListCachedImage, KubernetesJson.Default.WatchLineCachedImage,
        image => image.Metadata.Name!, image => image.WithManagers().WithoutStatus());

    /// <summary>The Repositories, by name.</summary>
    public WatchedResource<Repository, Repository> Repositories { get; } = new(
        "repositories", Repository.Path, null, KubernetesJson.Default.ResourceListRepository, KubernetesJson.Default.WatchLineRepository,
        repository => repository.Metadata.Name!, repository => repository);
}
