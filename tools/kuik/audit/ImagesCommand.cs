using System.CommandLine;
using Kuik.Contracts;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik images</c>: the images that the log knows. docs/operations/audit.md.</summary>
internal sealed class ImagesCommand : QuestionCommand<ImageList>
{
    private readonly Argument<string?> _pattern = new("pattern")
    {
        Description = "Only images that match; * stands for any text, also for none. Without a * it may be any part of the reference",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<ImagePhase?> _phase = new("--phase") { Description = "Only images of this phase" };

    private readonly Option<bool> _isUnused = new("--unused") { Description = "Only images without users" };

    private readonly Option<bool> _isRetained = new("--retained") { Description = "Only images that never expire" };

    private readonly Option<bool> _all = new("--all", "-a") { Description = "Also images that have left the cache" };

    private readonly Option<Instant?> _at = InstantOption.Option("--at", "Their state at this place in the log. Default: now");

    private readonly ScopeOption _scope = new();

    /// <summary>Creates the command with its options.</summary>
    public ImagesCommand() : base("images", "Lists images: phase, users, size, and with --output wide also digest, expiry and last error.")
    {
        Arguments.Add(_pattern);
        foreach (var option in new Option[] { _phase, _isUnused, _isRetained, _all, _at, _scope })
            Options.Add(option);
        Validators.Add(command =>
        {
            if (command.GetResult(_at) is not null && command.GetResult(_scope) is not null)
                command.AddError("--scope shows the images that a namespace uses now: it has no --at.");
        });
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik images",
        "kuik images 'docker.io/library/*' --output wide",
        "kuik images --phase Failed",
        "kuik images --unused --output json | jq -r '.images[].image'",
        "kuik images --at '2026-03-01 12:00' --all",
    ];

    /// <inheritdoc/>
    protected override Task<ImageList> Ask(ParseResult arguments, IAuditAnswers answers, CancellationToken ct) => answers.ListImages(
        new ImageQuestion
        {
            Pattern = arguments.GetValue(_pattern),
            Phase = arguments.GetValue(_phase),
            IsUnused = arguments.GetValue(_isUnused),
            IsRetained = arguments.GetValue(_isRetained),
            All = arguments.GetValue(_all),
            At = arguments.GetValue(_at),
            Namespace = arguments.GetValue(_scope),
        }, ct);

    /// <inheritdoc/>
    protected override void Print(ImageList answer, ParseResult arguments, bool isWide)
    {
        if (answer.Images.Count > 0)
            Console.Write(ImageTable.Of(answer.Images, isWide));
        else
            Say(arguments.GetValue(_pattern)?.Contains('*', StringComparison.Ordinal) == true
                ? "there is no such image; a pattern with * has to match the whole reference"
                : "there is no such image");
    }
}
