namespace Kuik.CommandLine.Doctor;

/// <summary>One result of a check.</summary>
/// <param name="Check">Name of the check, for example <c>webhook-certificate</c>.</param>
/// <param name="Severity">What it means.</param>
/// <param name="Found">What was found, in one sentence.</param>
/// <param name="Action">One sentence that says what to do; null when there is nothing to do.</param>
internal sealed record Finding(string Check, Severity Severity, string Found, string? Action = null);
