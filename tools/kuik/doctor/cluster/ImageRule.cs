namespace Kuik.CommandLine.Doctor;

/// <summary>A policy engine's limit on the names of images.</summary>
/// <param name="Policy">Kind and name of its resource.</param>
/// <param name="Allowed">Patterns of the images that it allows.</param>
internal sealed record ImageRule(string Policy, IReadOnlyList<string> Allowed);
