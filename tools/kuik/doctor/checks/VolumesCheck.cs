using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>Checks that volume claims are bound, and finds the cause otherwise.</summary>
internal sealed class VolumesCheck : Check
{
    /// <inheritdoc/>
    public override string Name => "volumes";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Claims, cluster.StorageClasses];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        var classes = cluster.StorageClasses.Value;
        foreach (var claim in cluster.Claims.Value)
        {
            var (name, wanted) = (claim.Metadata.Name, claim.Spec?.StorageClassName);
            if (claim.Status?.Phase == "Lost")
                yield return Error($"the volume of claim {name} is lost",
                    "Restore it, or delete the claim and its pod, and restore from a backup (docs/operations/backup.md).");
            else if (claim.Status?.Phase == "Pending")
                yield return wanted switch
                {
                    null when !classes.Any(one => one.IsDefault) => Error(
                        $"claim {name} waits for a volume, and the cluster has no default StorageClass",
                        classes.Count == 0
                            ? "Install a provisioner of volumes, or apply overlays/ephemeral, which needs none and loses the cache with "
                                + "its pod."
                            : $"Make one the default ({Excerpt.Of([.. classes.Select(one => one.Metadata.Name!)])}), or name one with "
                                + "the component persistence."),
                    { Length: > 0 } when classes.All(one => one.Metadata.Name != wanted) => Error(
                        $"claim {name} asks for the StorageClass {wanted}, which is not there",
                            "Name one that is, with the component persistence (delete the claim first: it cannot be changed)."),
                    _ => Warning($"claim {name} waits for a volume",
                        $"Its events say for what: kubectl -n {cluster.Namespace} describe pvc {name}."),
                };
        }
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) =>
        cluster.Claims.Value.Count == 0 ? "there are no claims" : $"{cluster.Claims.Value.Count} claims are bound";
}
