using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

/// <summary>A Deployment, StatefulSet or DaemonSet.</summary>
internal sealed record Workload(ObjectMeta Metadata, WorkloadSpec? Spec = null)
{
    /// <summary>Containers of its pods.</summary>
    public IReadOnlyList<Container> Containers => Spec?.Template?.Spec?.Containers ?? [];
}

/// <param name="Template">The template of its pods.</param>
/// <param name="Replicas">The number of pods; null for a DaemonSet.</param>
internal sealed record WorkloadSpec(PodTemplate? Template = null, int? Replicas = null);

internal sealed record PodTemplate(PodSpec? Spec = null);
