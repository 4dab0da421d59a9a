using System.CommandLine;
using Kuik.CommandLine.Output;
using Kuik.Contracts;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik history</c>: the events of an image, pod or workload, one line each.</summary>
internal sealed class HistoryCommand : LogCommand
{
    private const int DefaultLimit = 1000;

    private readonly Argument<Subject?> _subject = Subject.Argument();

    private readonly Option<bool> _withUsers = new("--users")
    {
        Description = "Of an image: also the pods and workloads that began and ended to use it",
    };

    private readonly Option<Instant?> _since = Instant.Option("--since", "Only events after this place");

    private readonly Option<Instant?> _until = Instant.Option("--until", "Only events up to this place");

    private readonly Option<int> _limit = new("--limit")
    {
        Description = "Only the last so many events; 0 for all",
        DefaultValueFactory = _ => DefaultLimit,
    };

    private readonly FormatOption _format = new();

    /// <summary>Creates the command with its options.</summary>
    public HistoryCommand() : base("history", "Lists the events of an image, pod or workload: time, what, why and by whose action.")
    {
        Arguments.Add(_subject);
        foreach (var option in new Option[] { _withUsers, _since, _until, _limit, _format })
            Options.Add(option);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik history nginx:1.27",
        "kuik history nginx:1.27 --users --since 7d",
        "kuik history pod/web/front-6d4cf56db6-x2x9z",
        "kuik history deployment/web/front --output wide",
        "kuik history nginx:1.27 --output json | jq '.events[] | select(.event == \"ImageCached\") | .data.digest'",
    ];

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var subject = arguments.GetValue(_subject)!;
        var lines = await Read(subject, arguments, connection, ct);
        if (await new EventPositions(connection).Horizon(ct) is { Exists: true } horizon)
            Say($"the log begins after {horizon} for pods, workloads and images that had ended by then: Kuik:Log:RetainFor");
        if (lines.Count == 0)
        {
            Say($"the log has no event of {subject} in this range");
            return ExitCode.ErrorsFound;
        }
        var limit = arguments.GetValue(_limit);
        var shown = limit > 0 && lines.Count > limit ? lines.GetRange(lines.Count - limit, limit) : lines;
        var format = _format.Of(arguments);
        if (format is Format.Json or Format.Yaml)
            await Document.Write(new { Subject = subject.ToString(), Events = shown }, format, ct);
        else
            Console.Write(EventLine.AsTable(shown, format == Format.Wide));
        if (shown.Count < lines.Count)
            Say($"the last {shown.Count} events; --limit 0 lists all");
        return ExitCode.Ok;
    }

    private async Task<List<EventLine>> Read(Subject subject, ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var positions = new EventPositions(connection);
        var after = arguments.GetValue(_since) is { } since ? await since.Find(positions, ct) : 0;
        var until = arguments.GetValue(_until) is { } end ? await end.Find(positions, ct) : long.MaxValue;
        var limit = arguments.GetValue(_limit) is > 0 and var most ? most : int.MaxValue;
        var lines = new List<EventLine>();
        using var progress = new ProgressLine("reading the log");
        var queries = arguments.GetValue(_withUsers) && subject.Image is not null
            ? [subject.Query, new EventQuery { UsersOf = subject.Image }]
            : new[] { subject.Query };
        foreach (var query in queries)
        {
            var image = ImageState.Initial;
            // From its first event, so that it is known which ones had an effect.
            await foreach (var one in new EventReader(connection).Read(query with { Until = until }, ct))
            {
                progress.Report(lines.Count);
                (image, var hadEffect) = Fold(image, one);
                if (one.Sequence > after && subject.Covers(one))
                    lines.Add(EventLine.Of(one) with { Counted = hadEffect });
                if (lines.Count > 2L * limit)   // more than will be shown
                    lines.RemoveRange(0, lines.Count - limit - 1);
            }
        }
        lines.Sort((one, other) => one.Sequence.CompareTo(other.Sequence));
        return lines;
    }

    private static (ImageState Image, bool HadEffect) Fold(ImageState image, RecordedEvent one)
    {
        // Announcements change no state; they were messages.
        if (one.Fact is null or PodObserved or PodGone or WorkloadObserved or WorkloadGone or FetchDue or EvictionDue or ExpiryProposed)
            return (image, true);
        var next = ImageState.Fold(image, one.Fact);
        return (next, !ReferenceEquals(next, image));
    }
}
