namespace Kuik.Kubernetes;

/// <summary>How long a call of the Kubernetes API may make no progress.</summary>
/// <param name="Headers">Until the answer's headers are there. Default 30 s.</param>
/// <param name="Silence">Without one more byte of the body; a watch is silent by nature and has a length instead. Default 30 s.</param>
/// <param name="List">For all pages of a list together. Default 5 minutes.</param>
public sealed record KubernetesLimits(TimeSpan Headers, TimeSpan Silence, TimeSpan List)
{
    /// <summary>30 s, 30 s, 5 minutes.</summary>
    public static readonly KubernetesLimits Default = new(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(5));
}
