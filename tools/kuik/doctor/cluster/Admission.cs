namespace Kuik.CommandLine.Doctor;

/// <summary>The API server's answers for two pods that differ in one label.</summary>
/// <param name="Namespace">The namespace of the dry run.</param>
/// <param name="Image">The image that both request.</param>
/// <param name="Rewritten">A usual pod, which the webhook should rewrite.</param>
/// <param name="Untouched">The pod with the label that opts out.</param>
internal sealed record Admission(string Namespace, string Image, AdmittedPod Rewritten, AdmittedPod Untouched);
