using System.Text;
using System.Text.Json;
using Kuik.CommandLine.Output;

namespace Kuik.CommandLine.Doctor;

/// <summary>Formats findings for users or for scripts.</summary>
internal static class Report
{
    private static readonly Severity[] All = Enum.GetValues<Severity>();

    /// <summary>One JSON document.</summary>
    public static string AsJson(IReadOnlyList<Finding> findings, ClusterSnapshot cluster) => JsonSerializer.Serialize(
        new ReportDocument(
            cluster.Time, cluster.Namespace, WordOf(findings.Max(finding => finding.Severity)),
            All.ToDictionary(WordOf, severity => findings.Count(finding => finding.Severity == severity)),
            [.. findings.Select(finding => new FindingDocument(
                finding.Check, WordOf(finding.Severity), Redaction.Of(finding.Found), finding.Action))]),
        DoctorJson.Default.ReportDocument);

    /// <summary>A table with the action below each finding, and the counts in the last line.</summary>
    /// <param name="findings">All of them.</param>
    /// <param name="hasColours">True: severities are coloured.</param>
    public static string AsTable(IReadOnlyList<Finding> findings, bool hasColours)
    {
        var width = findings.Max(finding => finding.Check.Length);
        var table = new StringBuilder();
        table.Append("CHECK".PadRight(width)).Append("  RESULT   FOUND\n");
        foreach (var finding in findings)
        {
            var word = WordOf(finding.Severity).PadRight(7);
            table.Append(finding.Check.PadRight(width)).Append("  ")
                .Append(hasColours ? $"\e[{ColourOf(finding.Severity)}m{word}\e[0m" : word)
                .Append("  ").Append(Redaction.Of(finding.Found)).Append('\n');
            if (finding.Action is not null)
                table.Append(' ', width + 11).Append("-> ").Append(finding.Action).Append('\n');
        }
        var counts = All.Select(severity => $"{findings.Count(finding => finding.Severity == severity)} {WordOf(severity)}");
        return table.Append('\n').AppendJoin(", ", counts).Append('\n').ToString();
    }

    private static string WordOf(Severity severity) => severity.ToString().ToLowerInvariant();

    private static int ColourOf(Severity severity) => severity switch
    {
        Severity.Ok => 32,
        Severity.Warning => 33,
        Severity.Unknown => 35,
        _ => 31,
    };
}
