using System.CommandLine;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik history</c>: the events of an image, pod or workload, one line each.</summary>
internal sealed class HistoryCommand : QuestionCommand<EventHistory>
{
    private const int DefaultLimit = 1000;

    private readonly Argument<Subject?> _subject = SubjectArgument.Any();

    private readonly Option<bool> _withUsers = new("--users")
    {
        Description = "Of an image: also the pods and workloads that began and ended to use it",
    };

    private readonly Option<Instant?> _since = InstantOption.Option("--since", "Only events after this place");

    private readonly Option<Instant?> _until = InstantOption.Option("--until", "Only events up to this place");

    private readonly Option<int> _limit = new("--limit")
    {
        Description = "Only the last so many events; 0 for all",
        DefaultValueFactory = _ => DefaultLimit,
    };

    private readonly ScopeOption _scope = new();

    /// <summary>Creates the command with its options.</summary>
    public HistoryCommand() : base("history", "Lists the events of an image, pod or workload: time, what, why and by whose action.")
    {
        Arguments.Add(_subject);
        foreach (var option in new Option[] { _withUsers, _since, _until, _limit, _scope })
            Options.Add(option);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik history nginx:1.27",
        "kuik history nginx:1.27 --users --since 7d",
        "kuik history pod/web/front-6d4cf56db6-x2x9z",
        "kuik history deployment/web/front --output wide",
        "kuik history nginx:1.27 --server cluster --scope web",
        "kuik history nginx:1.27 --output json | jq '.events[] | select(.event == \"ImageCached\") | .data.digest'",
    ];

    /// <inheritdoc/>
    protected override Task<EventHistory> Ask(ParseResult arguments, IAuditAnswers answers, CancellationToken ct) => answers.ReadHistory(
        new HistoryQuestion(arguments.GetValue(_subject)!)
        {
            WithUsers = arguments.GetValue(_withUsers),
            Since = arguments.GetValue(_since),
            Until = arguments.GetValue(_until),
            Limit = arguments.GetValue(_limit) is > 0 and var limit ? limit : null,
            Namespace = arguments.GetValue(_scope),
        }, ct);

    /// <inheritdoc/>
    protected override string? Lack(EventHistory answer, ParseResult arguments)
    {
        if (answer.Horizon is { } horizon)
            Say($"the log begins after {horizon} for pods, workloads and images that had ended by then: Kuik:Log:RetainFor");
        return answer.Events.Count == 0 ? $"the log has no event of {answer.Subject} in this range" : null;
    }

    /// <inheritdoc/>
    protected override void Print(EventHistory answer, ParseResult arguments, bool isWide) =>
        Console.Write(EventTable.Of(answer.Events, isWide));

    /// <inheritdoc/>
    protected override int Conclude(EventHistory answer, ParseResult arguments)
    {
        if (answer.Next is not null)
            Say($"the last {answer.Events.Count} events; --limit 0 lists all");
        return ExitCode.Ok;
    }
}
