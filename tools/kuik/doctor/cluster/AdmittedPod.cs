namespace Kuik.CommandLine.Doctor;

/// <summary>The API server's answer to a dry run of a pod.</summary>
/// <param name="Image">The container's final image; empty for a denied pod.</param>
/// <param name="PullPolicy">The container's final pull policy; <c>IfNotPresent</c> was requested.</param>
/// <param name="WasSeen">The webhook was called.</param>
/// <param name="Denial">The reason of a denial; null when the pod is admitted.</param>
internal sealed record AdmittedPod(string Image, string PullPolicy, bool WasSeen, string? Denial);
