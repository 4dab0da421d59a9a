namespace Kuik.CommandLine.Doctor;

/// <summary>One result of a check.</summary>
/// <param name="Check">Name of the check, for example <c>webhook-certificate</c>.</param>
/// <param name="Severity">Its severity.</param>
/// <param name="Found">The result, in one sentence.</param>
/// <param name="Action">The recommended action, in one sentence; null for none.</param>
internal sealed record Finding(string Check, Severity Severity, string Found, string? Action = null);
