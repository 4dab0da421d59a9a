using System.CommandLine;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik tail</c>: follows the log.</summary>
internal sealed class TailCommand : ServedCommand
{
    private readonly EventFilter _filter = new();

    private readonly Option<Instant?> _since = InstantOption.Option("--since", "Begin after this place. Default: the end of the log");

    private readonly Option<int> _count = new("--count") { Description = "End after so many events; 0 to follow until Ctrl-C" };

    private readonly FormatOption _format = new();

    /// <summary>Creates the command with its options.</summary>
    public TailCommand() : base("tail",
        "Prints events as they are recorded, one line each. With --output json a line is the event as JSON.")
    {
        _filter.AddTo(this);
        foreach (var option in new Option[] { _since, _count, _format })
            Options.Add(option);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik tail",
        "kuik tail 'image/*' --type ImageFetchFailed --type ImageLost",
        "kuik tail --since 1h --count 20 --output json | jq -c '[.time, .event, .stream]'",
    ];

    /// <inheritdoc/>
    protected override Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct) =>
        Follow(arguments, new LogAnswers(connection), ct);

    /// <inheritdoc/>
    protected override Task<int> Execute(ParseResult arguments, ServerAnswers answers, CancellationToken ct) =>
        Follow(arguments, answers, ct);

    private async Task<int> Follow(ParseResult arguments, IAuditAnswers answers, CancellationToken ct)
    {
        var question = _filter.Read(arguments) with { After = arguments.GetValue(_since) };
        var (count, limit) = (0, arguments.GetValue(_count));
        await foreach (var line in answers.Follow(question, ct))
        {
            Print(line, _format.Of(arguments));
            if (++count == limit)
                break;
        }
        return ExitCode.Ok;
    }

    private static void Print(EventLine line, Format format) => Console.WriteLine(format switch
    {
        Format.Json => Document.Line(line),
        Format.Yaml => "---\n" + Document.Yaml(line).TrimEnd(),
        Format.Wide => Redaction.Of(
            $"{TimeText.Of(line.Time)} {line.Sequence} {line.Stream} {line.Event} {Sentence(line)} "
            + $"[{line.Actor} {line.Replica} {line.Version}]"),
        _ => Redaction.Of($"{TimeText.Of(line.Time)} {line.Stream} {Sentence(line)} [{line.Actor}]"),
    });

    private static string Sentence(EventLine line) => line.Why.Length == 0 ? line.What : $"{line.What}: {line.Why}";
}
