namespace Kuik.CommandLine.Doctor;

/// <summary>The report as JSON.</summary>
/// <param name="Time">When the cluster was read, UTC.</param>
/// <param name="Namespace">Kuik's namespace.</param>
/// <param name="Severity">The worst: <c>ok</c>, <c>warning</c>, <c>unknown</c> or <c>error</c>.</param>
/// <param name="Counts">Findings by severity.</param>
/// <param name="Findings">At least one of each check.</param>
internal sealed record ReportDocument(
    DateTimeOffset Time, string Namespace, string Severity, IReadOnlyDictionary<string, int> Counts,
        IReadOnlyList<FindingDocument> Findings);

/// <summary>A finding as JSON.</summary>
internal sealed record FindingDocument(string Check, string Severity, string Found, string? Action);
