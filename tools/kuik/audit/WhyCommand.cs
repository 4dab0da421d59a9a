using System.CommandLine;
using Kuik.CommandLine.Output;
using Kuik.EventLog;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik why</c>: the reasons for an image's state.</summary>
internal sealed class WhyCommand : LogCommand
{
    private readonly Argument<Subject?> _image = Subject.ImageArgument();

    private readonly Option<Instant?> _at = Instant.Option("--at", "The reasons at this place in the log. Default: now");

    private readonly FormatOption _format = new();

    /// <summary>Creates the command with its options.</summary>
    public WhyCommand() : base(
        "why", "Explains why an image is cached, not cached, expiring or failing, and what would be lost if its origin vanished.")
    {
        Arguments.Add(_image);
        Options.Add(_at);
        Options.Add(_format);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik why nginx:1.27",
        "kuik why nginx:1.27 --at 2h",
        "kuik why nginx:1.27 --output json | jq -r .ifOriginVanished",
    ];

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var subject = arguments.GetValue(_image)!;
        long? until = arguments.GetValue(_at) is { } at ? await at.FindKnown(new EventPositions(connection), ct) : null;
        var image = new ImageRecord(subject.Image!);
        await foreach (var one in new EventReader(connection).Read(subject.Query with { Until = until ?? long.MaxValue }, ct))
            image = ImageRecord.Fold(image, one);
        var users = until is null
            ? await ImageUsers.Count(connection, image.Image, ct)
            : (await new ImageUserReader(connection).Find(image.Image, until, ct)).Count;
        var pulls = until is null ? await ImagePulls.Find(connection, image.Image, ct) : null;   // not in the log
        var explanation = ImageExplanation.Of(image, users, pulls);
        if (_format.Of(arguments) is (Format.Json or Format.Yaml) and var format)
            await Document.Write(explanation, format, ct);
        else
            Console.Write(explanation.AsText());
        return image.Version == 0 ? ExitCode.ErrorsFound : ExitCode.Ok;
    }
}
