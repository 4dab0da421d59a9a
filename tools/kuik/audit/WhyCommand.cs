using System.CommandLine;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik why</c>: the reasons for an image's state.</summary>
internal sealed class WhyCommand : QuestionCommand<ImageExplanation>
{
    private readonly Argument<Subject?> _image = SubjectArgument.Image();

    private readonly Option<Instant?> _at = InstantOption.Option("--at", "The reasons at this place in the log. Default: now");

    private readonly ScopeOption _scope = new();

    /// <summary>Creates the command with its options.</summary>
    public WhyCommand() : base(
        "why", "Explains why an image is cached, not cached, expiring or failing, and what would be lost if its origin vanished.")
    {
        Arguments.Add(_image);
        Options.Add(_at);
        Options.Add(_scope);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik why nginx:1.27",
        "kuik why nginx:1.27 --at 2h",
        "kuik why nginx:1.27 --output json | jq -r .ifOriginVanished",
    ];

    /// <inheritdoc/>
    protected override Task<ImageExplanation> Ask(ParseResult arguments, IAuditAnswers answers, CancellationToken ct) => answers.Explain(
        new UseQuestion(arguments.GetValue(_image)!.Image!) { At = arguments.GetValue(_at), Namespace = arguments.GetValue(_scope) }, ct);

    /// <inheritdoc/>
    protected override void Print(ImageExplanation answer, ParseResult arguments, bool isWide) => Console.Write(ExplanationText.Of(answer));

    /// <inheritdoc/>
    protected override int Conclude(ImageExplanation answer, ParseResult arguments) =>
        answer.Events == 0 ? ExitCode.ErrorsFound : ExitCode.Ok;
}
