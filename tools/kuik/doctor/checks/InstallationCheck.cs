namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>Checks that all parts of Kuik exist, and that none is scaled to zero.</summary>
internal sealed class InstallationCheck : Check
{
    // Postgres and RabbitMQ may be external (components external-postgres, cloudnative-pg …).
    private static readonly string[] Parts = ["kuik-webhook", "kuik-node-proxy", "kuik-pod-watcher", "kuik-image-fetcher",
        "kuik-expiry", "kuik-registry"];

    /// <inheritdoc/>
    public override string Name => "installation";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Namespaces, cluster.Workloads];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        if (cluster.Namespaces.Value.All(space => space.Metadata.Name != cluster.Namespace))
        {
            yield return Error($"there is no namespace {cluster.Namespace}",
                "Install Kuik (docs/operations/install.md), or name its namespace with --namespace.");
            yield break;
        }
        var present = cluster.Workloads.Value.Select(workload => workload.Metadata.Name).ToHashSet();
        var absent = Parts.Where(part => !present.Contains(part)).ToList();
        if (absent.Count > 0)
            yield return Error($"not there: {string.Join(", ", absent)}", "Apply the overlay that you installed again (kubectl apply -k).");
        var stopped = cluster.Workloads.Value.Where(workload => workload.Spec?.Replicas == 0)
            .Select(workload => workload.Metadata.Name!).Where(name => name.StartsWith("kuik-", StringComparison.Ordinal)).ToList();
        if (stopped.Count > 0)
            yield return Error($"scaled to 0 pods: {string.Join(", ", stopped)}",
                "Apply the overlay that you installed again (kubectl apply -k), or kubectl scale.");
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) => $"all parts are in the namespace {cluster.Namespace}";
}
