using System.CommandLine;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik who</c>: the users of an image.</summary>
internal sealed class WhoCommand : QuestionCommand<UserList>
{
    private readonly Argument<Subject?> _image = SubjectArgument.Image();

    private readonly Option<Instant?> _at = InstantOption.Option("--at", "The users at this place in the log. Default: now");

    private readonly ScopeOption _scope = new();

    /// <summary>Creates the command with its options.</summary>
    public WhoCommand() : base("who", "Lists the pods and workloads that use an image, now or at an earlier time.")
    {
        Arguments.Add(_image);
        Options.Add(_at);
        Options.Add(_scope);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik who nginx:1.27",
        "kuik who nginx:1.27 --at '2026-03-01 12:00'",
        "kuik who nginx:1.27 --output json | jq -r '.users[].namespace' | sort -u",
    ];

    /// <inheritdoc/>
    protected override Task<UserList> Ask(ParseResult arguments, IAuditAnswers answers, CancellationToken ct) => answers.FindUsers(
        new UseQuestion(arguments.GetValue(_image)!.Image!) { At = arguments.GetValue(_at), Namespace = arguments.GetValue(_scope) }, ct);

    /// <inheritdoc/>
    protected override void Print(UserList answer, ParseResult arguments, bool isWide)
    {
        if (answer.Users.Count > 0)
            Console.Write(UserTable.Of(answer.Users, isWide));
        else
            Say($"no pod and no workload {(arguments.GetValue(_at) is null ? "uses" : "used")} {answer.Image}");
    }
}
