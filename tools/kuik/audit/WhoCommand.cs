using System.CommandLine;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik who</c>: the users of an image.</summary>
internal sealed class WhoCommand : LogCommand
{
    private readonly Argument<Subject?> _image = Subject.ImageArgument();

    private readonly Option<Instant?> _at = Instant.Option("--at", "The users at this place in the log. Default: now");

    private readonly FormatOption _format = new();

    /// <summary>Creates the command with its options.</summary>
    public WhoCommand() : base("who", "Lists the pods and workloads that use an image, now or at an earlier time.")
    {
        Arguments.Add(_image);
        Options.Add(_at);
        Options.Add(_format);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik who nginx:1.27",
        "kuik who nginx:1.27 --at '2026-03-01 12:00'",
        "kuik who nginx:1.27 --output json | jq -r '.users[].namespace' | sort -u",
    ];

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var image = arguments.GetValue(_image)!.Image!;
        long? until = arguments.GetValue(_at) is { } at ? await at.FindKnown(new EventPositions(connection), ct) : null;
        var users = await new ImageUserReader(connection).Find(image, until, ct);
        var rows = users.Select(user => UserRow.Of(user, image)).ToList();
        var format = _format.Of(arguments);
        if (format is Format.Json or Format.Yaml)
            await Document.Write(new { Image = image, Users = rows }, format, ct);
        else if (rows.Count > 0)
            Console.Write(UserRow.AsTable(rows, format == Format.Wide));
        else
            Say($"no pod and no workload {(until is null ? "uses" : "used")} {image}");
        return ExitCode.Ok;
    }
}
