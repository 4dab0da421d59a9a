using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>Checks that the cache registry accepts images: it is not read-only, not full, and answers.</summary>
internal sealed class RegistryCheck : Check
{
    private static readonly string[] Full = ["no space left", "disk quota exceeded", "507 ", "QuotaExceeded", "insufficient storage"];
    private static readonly string[] ReadOnly = ["read-only", "readonly", "405 ", "UNSUPPORTED"];

    /// <inheritdoc/>
    public override string Name => "registry";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Workloads, cluster.Images];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        var refusals = CacheErrors.Of(cluster.Images.Value).Where(error => !CacheErrors.IsOfCredentials(error)).ToList();
        if (IsReadOnly(cluster) || refusals.Any(error => ReadOnly.Any(error.Contains)))
            yield return Error("the registry is read-only, so nothing new is cached; what is cached is served",
                "Take REGISTRY_STORAGE_MAINTENANCE_READONLY from the container registry of the StatefulSet kuik-registry.");
        if (refusals.Any(IsFull) || (cluster.RegistryLog.Problem is null && IsFull(cluster.RegistryLog.Value)))
            yield return Error(
                "the registry's storage is full, so nothing new is cached; what is cached is served",
                "Grow the volume (docs/operations/upgrade.md), shorten Kuik__ExpiryDelay, and add the component garbage-collection, "
                    + "which frees what has expired.");
        else if (cluster.RegistryLog.Problem is { } problem)
            yield return Unknown("whether its storage is full: " + problem);
        var others = refusals.Where(error => !IsFull(error) && !ReadOnly.Any(error.Contains)).ToList();
        if (others.Count > 0)
            yield return Error(
                $"{others.Count} images could not be written to the registry, for example: {Excerpt.Of(others[0])}",
                $"Look at its log: kubectl -n {cluster.Namespace} logs -l app.kubernetes.io/component=registry --all-containers.");
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) => "it takes images: none was refused, and its log speaks of no full disk";

    private static bool IsReadOnly(ClusterSnapshot cluster) =>
        cluster.Workloads.Value.Where(workload => workload.Metadata.Name == "kuik-registry")
        .SelectMany(workload => workload.Containers).Where(container => container.Name == "registry")
            .SelectMany(container => container.Env ?? [])
        .Any(variable => variable.Name.StartsWith("REGISTRY_STORAGE_MAINTENANCE_READONLY", StringComparison.Ordinal)
            && variable.Value?.Contains("true", StringComparison.OrdinalIgnoreCase) == true);

    private static bool IsFull(string text) => Full.Any(symptom => text.Contains(symptom, StringComparison.OrdinalIgnoreCase));
}
