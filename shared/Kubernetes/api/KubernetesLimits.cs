namespace Kuik.Kubernetes;

/// <summary>The limits of calls without progress.</summary>
/// <param name="Headers">Until the response headers arrive. Default 30 s.</param>
/// <param name="Silence">Without one more byte of the body; a watch may be silent and has a maximum length instead. Default 30 s.</param>
/// <param name="List">For all pages of a list together. Default 5 minutes.</param>
public sealed record KubernetesLimits(TimeSpan Headers, TimeSpan Silence, TimeSpan List)
{
    /// <summary>30 s, 30 s, 5 minutes.</summary>
    public static readonly KubernetesLimits Default = new(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(5));
}
