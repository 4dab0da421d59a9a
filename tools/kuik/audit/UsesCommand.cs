using System.CommandLine;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik uses</c>: the uses of images within a time, by image, digest, node, owner or ServiceAccount.</summary>
internal sealed class UsesCommand : QuestionCommand<UseList>
{
    private readonly Option<Subject?> _image = new("--image")
    {
        Description = "Only uses of this image, as in a pod",
        CustomParser = SubjectArgument.ReadImage,
    };

    private readonly Option<string?> _digest = new("--digest")
    {
        Description = "Only containers that ran these bytes, under any tag: sha256:…",
    };

    private readonly ScopeOption _scope = new();

    private readonly Option<string?> _node = new("--node") { Description = "Only pods on this node" };

    private readonly Option<string?> _owner = new("--owner")
    {
        Description = "Only pods of this top controller, for example Deployment/front",
    };

    private readonly Option<string?> _account = new("--service-account") { Description = "Only pods that ran as this ServiceAccount" };

    private readonly Option<Instant?> _since = InstantOption.Option("--since", "Only uses that had not ended at this place. Default: all");

    private readonly Option<Instant?> _until = InstantOption.Option("--until", "Only uses that had begun at this place. Default: now");

    /// <summary>Creates the command with its options.</summary>
    public UsesCommand() : base(
        "uses", "Lists uses of images between two times: by which pod or workload, on which node, of which owner, from when to when.")
    {
        foreach (var option in new Option[] { _image, _digest, _scope, _node, _owner, _account, _since, _until })
            Options.Add(option);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik uses --image nginx:1.27 --since 7d",
        "kuik uses --digest sha256:6784fb0834aa7dbbe12e3d7471e69c290df3e6ba810dc38b34ae33d3c1c05f7d",
        "kuik uses --node node-1 --service-account default --output json | jq -r '.uses[].image' | sort -u",
        "kuik uses --owner Deployment/front --scope web",
    ];

    /// <inheritdoc/>
    protected override Task<UseList> Ask(ParseResult arguments, IAuditAnswers answers, CancellationToken ct) => answers.FindUses(
        new UseHistoryQuestion(new UseFilter(
            arguments.GetValue(_image)?.Image, arguments.GetValue(_digest), arguments.GetValue(_scope), arguments.GetValue(_node),
            arguments.GetValue(_owner), arguments.GetValue(_account)))
        {
            Since = arguments.GetValue(_since),
            Until = arguments.GetValue(_until),
        }, ct);

    /// <inheritdoc/>
    protected override void Print(UseList answer, ParseResult arguments, bool isWide)
    {
        if (answer.Uses.Count == 0)
            Say("there is no such use");
        else
            Console.Write(AsTable(answer.Uses, isWide));
    }

    /// <inheritdoc/>
    protected override int Conclude(UseList answer, ParseResult arguments)
    {
        if (answer.Horizon is not { } horizon)
            return ExitCode.Ok;
        Say($"uses that had ended by {horizon} are not known any more (Kuik:Log:RetainFor)");
        return ExitCode.Unknown;
    }

    private static string AsTable(IEnumerable<ImageUse> uses, bool isWide)
    {
        var table = isWide
            ? new Table("IMAGE", "DIGEST", "KIND", "NAMESPACE", "NAME", "CONTAINER", "OWNER", "SERVICE ACCOUNT", "NODE", "FROM", "TO",
                "UID")
            : new Table("IMAGE", "DIGEST", "KIND", "NAMESPACE", "NAME", "OWNER", "NODE", "FROM", "TO");
        foreach (var use in uses)
        {
            var digest = TimeText.OfDigest(use.Digest);
            if (isWide)
                table.Add(use.Image, digest, use.Kind, use.Namespace, use.Name, use.Container, use.Owner, use.ServiceAccount, use.Node,
                    TimeText.Of(use.From), TimeText.Of(use.To), use.User);
            else
                table.Add(use.Image, digest, use.Kind, use.Namespace, use.Name, use.Owner, use.Node, TimeText.Of(use.From),
                    TimeText.Of(use.To));
        }
        return table.ToString();
    }
}
