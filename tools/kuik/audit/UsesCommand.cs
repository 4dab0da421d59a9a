using System.CommandLine;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik uses</c>: the uses of images within a time, by image, digest, node, owner or ServiceAccount.</summary>
internal sealed class UsesCommand : LogCommand
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

    private readonly Option<string?> _namespace = new("--namespace") { Description = "Only pods and workloads of this namespace" };

    private readonly Option<string?> _node = new("--node") { Description = "Only pods on this node" };

    private readonly Option<string?> _owner = new("--owner")
    {
        Description = "Only pods of this top controller, for example Deployment/front",
    };

    private readonly Option<string?> _account = new("--service-account") { Description = "Only pods that ran as this ServiceAccount" };

    private readonly Option<Instant?> _since = InstantOption.Option("--since", "Only uses that had not ended at this place. Default: all");

    private readonly Option<Instant?> _until = InstantOption.Option("--until", "Only uses that had begun at this place. Default: now");

    private readonly FormatOption _format = new();

    /// <summary>Creates the command with its options.</summary>
    public UsesCommand() : base(
        "uses", "Lists uses of images between two times: by which pod or workload, on which node, of which owner, from when to when.")
    {
        foreach (var option in new Option[] { _image, _digest, _namespace, _node, _owner, _account, _since, _until, _format })
            Options.Add(option);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik uses --image nginx:1.27 --since 7d",
        "kuik uses --digest sha256:6784fb0834aa7dbbe12e3d7471e69c290df3e6ba810dc38b34ae33d3c1c05f7d",
        "kuik uses --node node-1 --service-account default --output json | jq -r '.uses[].image' | sort -u",
        "kuik uses --owner Deployment/front --namespace web",
    ];

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var positions = new EventPositions(connection);
        var after = arguments.GetValue(_since) is { } since ? await since.Find(positions, ct) : 0;
        var until = arguments.GetValue(_until) is { } end ? await end.Find(positions, ct) : long.MaxValue;
        var uses = new UseHistory(FilterOf(arguments), after);
        using (var progress = new ProgressLine("reading the events of pods and workloads"))
            await foreach (var one in new EventReader(connection).Read(
                new EventQuery { Until = until, Types = UseHistory.Types, ForFold = true }, ct))
            {
                uses.Apply(one);
                progress.Report(one.Sequence);
            }
        var rows = uses.Uses;
        var format = _format.Of(arguments);
        if (format is Format.Json or Format.Yaml)
            await Document.Write(new { Uses = rows }, format, ct);
        else
            Console.Write(AsTable(rows, format == Format.Wide));
        var horizon = await positions.Horizon(ct);
        if (!horizon.Exists || after >= horizon.Sequence)
            return ExitCode.Ok;
        Say($"uses that had ended by {horizon} are not known any more (Kuik:Log:RetainFor)");
        return ExitCode.Unknown;
    }

    private UseFilter FilterOf(ParseResult arguments) => new(
        arguments.GetValue(_image)?.Image, arguments.GetValue(_digest), arguments.GetValue(_namespace), arguments.GetValue(_node),
        arguments.GetValue(_owner), arguments.GetValue(_account));

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
