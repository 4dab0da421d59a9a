using System.CommandLine;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik events</c>: the events of all streams within a time, by type and actor.</summary>
internal sealed class EventsCommand : LogCommand
{
    private readonly Argument<string?> _pattern = new("pattern")
    {
        Description = "Only streams that match, for example image/docker.io/* or pod/*; without a * any part of the stream's name",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string[]> _types = new("--type", "-t")
    {
        Description = "Only events of this type, for example ImageEvicted; may be repeated",
    };

    private readonly Option<string?> _actor = new("--actor")
    {
        Description = "Only by this actor: the field manager of a person's change (kubectl-edit), a replica or a service",
    };

    private readonly Option<Instant?> _since = InstantOption.Option("--since", "Only events after this place");

    private readonly Option<Instant?> _until = InstantOption.Option("--until", "Only events up to this place");

    private readonly FormatOption _format = new();

    /// <summary>Creates the command with its options.</summary>
    public EventsCommand() : base("events", "Lists the events of all images, pods and workloads between two times, by type and actor.")
    {
        Arguments.Add(_pattern);
        foreach (var option in new Option[] { _types, _actor, _since, _until, _format })
            Options.Add(option);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik events --type ImageEvicted --type ImageLost --since 30d",
        "kuik events 'image/*' --actor kubectl-edit",
        "kuik events --type ImageEvicted --output json | jq '[.events[].data.sizeInBytes] | add'",
    ];

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var positions = new EventPositions(connection);
        var query = new EventQuery
        {
            After = arguments.GetValue(_since) is { } since ? await since.Find(positions, ct) : 0,
            Until = arguments.GetValue(_until) is { } end ? await end.Find(positions, ct) : long.MaxValue,
            Types = arguments.GetValue(_types) is { Length: > 0 } types ? types : null,
        };
        var lines = new List<EventLine>();
        using (var progress = new ProgressLine("reading the log"))
            await foreach (var one in new EventReader(connection).Read(query, ct))
            {
                progress.Report(one.Sequence);
                var line = EventLine.Of(one);
                if ((arguments.GetValue(_actor) is not { } actor || line.Actor == actor)
                    && (arguments.GetValue(_pattern) is not { } pattern || ImageQuestion.Matches(pattern, one.Stream)))
                    lines.Add(line);
            }
        var format = _format.Of(arguments);
        if (format is Format.Json or Format.Yaml)
            await Document.Write(new { Events = lines }, format, ct);
        else
            Console.Write(AsTable(lines, format == Format.Wide));
        if (await positions.Horizon(ct) is { Exists: true } horizon && query.After < horizon.Sequence)
            Say($"pods, workloads and images that had ended by {horizon} are not among them (Kuik:Log:RetainFor)");
        return ExitCode.Ok;
    }

    private static string AsTable(IReadOnlyList<EventLine> lines, bool isWide)
    {
        if (isWide)
            return EventTable.Of(lines, isWide);
        var table = new Table("TIME", "STREAM", "WHAT", "WHY", "ACTOR");
        foreach (var line in lines)
            table.Add(TimeText.Of(line.Time), line.Stream, line.What, line.Why, line.Actor);
        return table.ToString();
    }
}
