using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

internal sealed record Node(ObjectMeta Metadata, NodeStatus? Status = null)
{
    /// <summary>True when pods can run on it.</summary>
    public bool IsReady => Status?.Conditions?.Any(condition => condition is { Type: "Ready", Status: "True" }) == true;

    /// <summary>Kuik rewrites no pod of a Windows node.</summary>
    public bool IsLinux => Metadata.Labels?.GetValueOrDefault("kubernetes.io/os", "linux") is null or "linux";
}

internal sealed record NodeStatus(IReadOnlyList<Condition>? Conditions = null);
