using System.CommandLine;
using System.IO.Enumeration;
using Kuik.CommandLine.Output;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik images</c>: the images that the log knows. docs/operations/audit.md.</summary>
internal sealed class ImagesCommand : LogCommand
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

    private readonly Option<Instant?> _at = Instant.Option("--at", "Their state at this place in the log. Default: now");

    private readonly FormatOption _format = new();

    /// <summary>Creates the command with its options.</summary>
    public ImagesCommand() : base("images", "Lists images: phase, users, size, and with --output wide also digest, expiry and last error.")
    {
        Arguments.Add(_pattern);
        foreach (var option in new Option[] { _phase, _isUnused, _isRetained, _all, _at, _format })
            Options.Add(option);
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
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var (state, users) = await Read(arguments.GetValue(_at), connection, ct);
        var rows = state.Images.Values
            .Select(image => ImageRow.Of(image, users.GetValueOrDefault(image.Image)))
            .Where(row => IsChosen(row, arguments))
            .OrderBy(row => row.Image, StringComparer.Ordinal)
            .ToList();
        var format = _format.Of(arguments);
        if (format is Format.Json or Format.Yaml)
            await Document.Write(new { state.Sequence, Time = state.RecordedAt, Images = rows }, format, ct);
        else
            Console.Write(ImageRow.AsTable(rows, format == Format.Wide));
        return ExitCode.Ok;
    }

    private static async Task<(ReplayedState, IReadOnlyDictionary<string, int>)> Read(Instant? at, NpgsqlConnection connection,
        CancellationToken ct)
    {
        var state = new ReplayedState();
        if (at is not null)
        {
            await Replay(state, connection, await at.FindKnown(new EventPositions(connection), ct), ct);
            return (state, state.UserCounts());
        }
        using var progress = new ProgressLine("reading the events of images");
        await foreach (var one in new EventReader(connection).Read(new EventQuery { OfImagesOnly = true, ForFold = true }, ct))
        {
            state.Apply(one);
            progress.Report(state.Events);
        }
        return (state, await ImageUsers.Counts(connection, ct));
    }

    private bool IsChosen(ImageRow row, ParseResult arguments) =>
        (arguments.GetValue(_all) || arguments.GetValue(_phase) is not null || row.Phase is not (ImagePhase.Gone or ImagePhase.Unknown))
        && (arguments.GetValue(_phase) is not { } phase || row.Phase == phase)
        && (!arguments.GetValue(_isUnused) || row.Users == 0)
        && (!arguments.GetValue(_isRetained) || row.IsRetained)
        && (arguments.GetValue(_pattern) is not { } pattern || Matches(pattern, row.Image));

    /// <summary>True when the reference matches. Without a star, any part of it does.</summary>
    internal static bool Matches(string pattern, string image) =>
        FileSystemName.MatchesSimpleExpression(pattern.Contains('*', StringComparison.Ordinal) ? pattern
            : $"*{pattern}*", image, ignoreCase: false);
}
