using System.CommandLine;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik tail</c>: follows the log.</summary>
internal sealed class TailCommand : LogCommand
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private readonly Argument<string?> _pattern = new("pattern")
    {
        Description = "Only streams that match, for example image/docker.io/* or pod/*; without a * any part of the stream's name",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string[]> _types = new("--type", "-t")
    {
        Description = "Only events of this type, for example ImageFetchFailed; may be repeated",
    };

    private readonly Option<Instant?> _since = Instant.Option("--since", "Begin after this place. Default: the end of the log");

    private readonly Option<int> _count = new("--count") { Description = "End after so many events; 0 to follow until Ctrl-C" };

    private readonly FormatOption _format = new();

    /// <summary>Creates the command with its options.</summary>
    public TailCommand() : base("tail",
        "Prints events as they are recorded, one line each. With --output json a line is the event as JSON.")
    {
        Arguments.Add(_pattern);
        foreach (var option in new Option[] { _types, _since, _count, _format })
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
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var (positions, reader) = (new EventPositions(connection), new EventReader(connection));
        var after = arguments.GetValue(_since) is { } since ? await since.Find(positions, ct) : await positions.Last(ct);
        var types = arguments.GetValue(_types) is { Length: > 0 } some ? some : null;
        var (count, limit) = (0, arguments.GetValue(_count));
        while (true)
        {
            var end = await FindEnd(positions, ct);
            await foreach (var one in reader.Read(new EventQuery { After = after, Until = end, Types = types }, ct))
            {
                if (arguments.GetValue(_pattern) is { } pattern && !ImagesCommand.Matches(pattern, one.Stream))
                    continue;
                Print(EventLine.Of(one), _format.Of(arguments));
                if (++count == limit)
                    return ExitCode.Ok;
            }
            after = Math.Max(after, end);
            await Task.Delay(Pause, TimeProvider.System, ct);
        }
    }

    private static async Task<long> FindEnd(EventPositions positions, CancellationToken ct)
    {
        try
        {
            return await positions.SettledEnd(TimeProvider.System, ct);
        }
        catch (TimeoutException fault)
        {
            Say(fault.Message);   // another database's long transaction must not end this: it goes on when that is over
            return 0;
        }
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
