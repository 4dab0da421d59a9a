using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>Checks that all services have the same version: otherwise an upgrade is incomplete.</summary>
internal sealed class VersionsCheck : Check
{
    private static readonly string[] Services = ["webhook", "node-proxy", "pod-watcher", "image-fetcher", "expiry"];

    /// <inheritdoc/>
    public override string Name => "versions";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Workloads, cluster.Pods];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        var images = Images(cluster);
        var versions = images.Select(image => (image.Service, Tag: TagOf(image.Image))).ToList();
        if (versions.Any(version => version.Tag is null))
        {
            yield return Unknown("images are named by digest only, which does not say their version",
                "Name them by tag and digest (kustomize: newTag and digest).");
            yield break;
        }
        if (versions.Select(version => version.Tag).Distinct().Count() > 1)
            yield return Warning(
                "services are of different versions: "
                    + string.Join(", ", versions.Select(version => $"{version.Service} {version.Tag}").Order(StringComparer.Ordinal)),
                "Finish the upgrade, or go back: apply one version's overlay (docs/operations/upgrade.md).");
        var old = cluster.Pods.Value.Where(pod => !pod.IsOver
            && images.Any(image => image.Service == pod.Component && ImageOf(pod) is { } own && own != image.Image))
            .Select(pod => pod.Metadata.Name!).ToList();
        if (old.Count > 0)
            yield return Warning($"pods of another version still run: {Excerpt.Of(old)}",
                $"Wait for the update, or see what keeps it: kubectl -n {cluster.Namespace} rollout status deployment,daemonset.");
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) =>
        $"all services are of version {Images(cluster).Select(image => TagOf(image.Image)).FirstOrDefault() ?? "(none is there)"}";

    private static List<(string Service, string Image)> Images(ClusterSnapshot cluster) =>
    [
        .. from workload in cluster.Workloads.Value
           from container in workload.Containers
           where workload.Metadata.Name == "kuik-" + container.Name && Services.Contains(container.Name) && container.Image is not null
           select (container.Name, container.Image!),
    ];

    private static string? ImageOf(Pod pod) => pod.Spec?.Containers?.FirstOrDefault(container => container.Name == pod.Component)?.Image;

    private static string? TagOf(string image)
    {
        var name = image.Split('@')[0];
        var colon = name.LastIndexOf(':');
        return colon > name.LastIndexOf('/') ? name[(colon + 1)..] : image.Contains('@', StringComparison.Ordinal) ? null : "latest";
    }
}
