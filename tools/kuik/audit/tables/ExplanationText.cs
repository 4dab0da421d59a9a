using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary>An explanation as lines.</summary>
internal static class ExplanationText
{
    /// <summary>Verdict, reasons and loss.</summary>
    public static string Of(ImageExplanation one) => Redaction.Of($"{one.Image}: {one.Verdict}") + "\n\nBecause:\n"
        + string.Concat(one.Because.Select(line => $"  - {Redaction.Of(line)}\n"))
        + $"\nIf its origin vanished now: {Redaction.Of(one.IfOriginVanished)}\n";
}
