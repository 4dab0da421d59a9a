using System.CommandLine;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik diff</c>: the differences between two places in the log.</summary>
internal sealed class DiffCommand : QuestionCommand<DifferenceList>
{
    private readonly Argument<Instant?> _from = InstantOption.Argument("from", "The earlier place");

    private readonly Argument<Instant?> _to = InstantOption.Argument("to", "The later place");

    /// <summary>Creates the command with its options.</summary>
    public DiffCommand() : base("diff", "Lists images and users that came, went or changed between two times.")
    {
        Arguments.Add(_from);
        Arguments.Add(_to);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik diff 1d now",
        "kuik diff '2026-03-01 12:00' '2026-03-01 13:00' --output json | jq '.differences[] | select(.kind == \"image\")'",
    ];

    /// <inheritdoc/>
    protected override Task<DifferenceList> Ask(ParseResult arguments, IAuditAnswers answers, CancellationToken ct) =>
        answers.Compare(arguments.GetValue(_from)!, arguments.GetValue(_to)!, ct);

    /// <inheritdoc/>
    protected override void Print(DifferenceList answer, ParseResult arguments, bool isWide)
    {
        var table = new Table(" ", "KIND", "SUBJECT", "BEFORE", "AFTER");
        foreach (var one in answer.Differences)
        {
            var isShort = !isWide && one.Kind == "image";
            table.Add(one.Change.ToString(), one.Kind, one.Subject, isShort && one.Before is not null ? Shorten(one.Before) : one.Before,
                isShort && one.After is not null ? Shorten(one.After) : one.After);
        }
        if (answer.Differences.Count > 0)
            Console.Write(table);
        else
            Say("there is no difference");
    }

    /// <summary>The state of an image with the first digits of its digest.</summary>
    internal static string Shorten(string state) => string.Join(
        ", ", state.Split(", ").Select(part => part.Contains(':', StringComparison.Ordinal) ? TimeText.OfDigest(part) : part));
}
