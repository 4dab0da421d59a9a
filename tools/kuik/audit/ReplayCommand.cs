using System.CommandLine;
using System.Globalization;
using Kuik.Contracts;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik replay</c>: the whole state at one place in the log, from the log alone.</summary>
internal sealed class ReplayCommand : QuestionCommand<StateAnswer>
{
    private readonly Option<Instant?> _until = InstantOption.Option("--until", "The place. Default: the end of the log");

    /// <summary>Creates the command with its options.</summary>
    public ReplayCommand() : base(
        "replay",
        "Shows the state of all images and their users at an instant, folded from the log alone. JSON and YAML also list the users.")
    {
        Options.Add(_until);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik replay --until '2026-03-01 12:00'",
        "kuik replay --until 7d --output json > last-week.json",
        "kuik replay --until 123456 --output wide",
    ];

    /// <inheritdoc/>
    protected override Task<StateAnswer> Ask(ParseResult arguments, IAuditAnswers answers, CancellationToken ct) =>
        answers.Replay(arguments.GetValue(_until), ct);

    /// <inheritdoc/>
    protected override void Print(StateAnswer answer, ParseResult arguments, bool isWide) =>
        Console.Write(Summary(answer) + "\n" + ImageTable.Of(answer.Images, isWide));

    /// <inheritdoc/>
    protected override int Conclude(StateAnswer answer, ParseResult arguments)
    {
        if (answer.Unreadable.Count == 0)
            return ExitCode.Ok;
        Say($"{answer.Unreadable.Values.Sum()} events of a newer version were passed over: {string.Join(", ", answer.Unreadable.Keys)}");
        return ExitCode.Unknown;
    }

    private static string Summary(StateAnswer answer)
    {
        var cached = answer.Images.Where(image => image.Phase == ImagePhase.Cached).ToList();
        var present = answer.Images.Count(image => image.Phase is not (ImagePhase.Gone or ImagePhase.Unknown));
        var size = TimeText.OfBytes(cached.Sum(image => image.SizeInBytes ?? 0));
        return string.Create(CultureInfo.InvariantCulture, $"""
            After event {answer.Sequence} ({TimeText.Of(answer.Time)}), {answer.Events} events:
            images {present}, cached {cached.Count} ({size}), pods and workloads {answer.Users.Count}

            """);
    }
}
