using System.CommandLine;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik events</c>: the events of all streams within a time, by type and actor.</summary>
internal sealed class EventsCommand : QuestionCommand<EventList>
{
    private readonly EventFilter _filter = new();

    private readonly Option<Instant?> _since = InstantOption.Option("--since", "Only events after this place");

    private readonly Option<Instant?> _until = InstantOption.Option("--until", "Only events up to this place");

    /// <summary>Creates the command with its options.</summary>
    public EventsCommand() : base("events", "Lists the events of all images, pods and workloads between two times, by type and actor.")
    {
        _filter.AddTo(this);
        Options.Add(_since);
        Options.Add(_until);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik events --type ImageEvicted --type ImageLost --since 30d",
        "kuik events 'image/*' --actor kubectl-edit",
        "kuik events --type ImageEvicted --output json | jq '[.events[].data.sizeInBytes] | add'",
    ];

    /// <inheritdoc/>
    protected override Task<EventList> Ask(ParseResult arguments, IAuditAnswers answers, CancellationToken ct) => answers.ListEvents(
        _filter.Read(arguments) with { After = arguments.GetValue(_since), Until = arguments.GetValue(_until) }, ct);

    /// <inheritdoc/>
    protected override void Print(EventList answer, ParseResult arguments, bool isWide)
    {
        if (answer.Events.Count == 0)
            Say("there is no such event" + string.Concat(
                _filter.FindUnknown(arguments).Select(type => $"; this version does not know the type {type}")));
        else
            Console.Write(AsTable(answer.Events, isWide));
    }

    /// <inheritdoc/>
    protected override int Conclude(EventList answer, ParseResult arguments)
    {
        if (answer.Horizon is { } horizon)
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
