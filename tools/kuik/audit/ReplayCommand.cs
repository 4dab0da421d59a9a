using System.CommandLine;
using System.Globalization;
using Kuik.CommandLine.Output;
using Kuik.Contracts;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik replay</c>: the whole state at one place in the log, from the log alone.</summary>
internal sealed class ReplayCommand : LogCommand
{
    private readonly Option<Instant?> _until = Instant.Option("--until", "The place. Default: the end of the log");

    private readonly FormatOption _format = new();

    /// <summary>Creates the command with its options.</summary>
    public ReplayCommand() : base(
        "replay",
        "Shows the state of all images and their users at an instant, folded from the log alone. JSON and YAML also list the users.")
    {
        Options.Add(_until);
        Options.Add(_format);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik replay --until '2026-03-01 12:00'",
        "kuik replay --until 7d --output json > last-week.json",
        "kuik replay --until 123456 --output wide",
    ];

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var positions = new EventPositions(connection);
        var until = arguments.GetValue(_until) is { } place ? await place.FindKnown(positions, ct) : await positions.Last(ct);
        var state = new ReplayedState();
        await Replay(state, connection, until, ct);
        var users = state.UserCounts();
        var rows = state.Images.Values.OrderBy(image => image.Image, StringComparer.Ordinal)
            .Select(image => ImageRow.Of(image, users.GetValueOrDefault(image.Image)));
        var format = _format.Of(arguments);
        if (format is Format.Json or Format.Yaml)
            await Document.Write(new
            {
                state.Sequence,
                Time = state.RecordedAt,
                state.Events,
                state.Unreadable,
                Images = rows,
                Users = state.Users.Values.OrderBy(user => user.Key, StringComparer.Ordinal),
            }, format, ct);
        else
            Console.Write(Summary(state) + "\n" + ImageRow.AsTable(rows, format == Format.Wide));
        if (state.Unreadable.Count == 0)
            return ExitCode.Ok;
        Say($"{state.Unreadable.Values.Sum()} events of a newer version were passed over: {string.Join(", ", state.Unreadable.Keys)}");
        return ExitCode.Unknown;
    }

    private static string Summary(ReplayedState state)
    {
        var cached = state.Images.Values.Where(image => image.State.IsCached).ToList();
        var present = state.Images.Values.Count(image => image.State.Phase is not (ImagePhase.Gone or ImagePhase.Unknown));
        var size = TimeText.OfBytes(cached.Sum(image => image.State.SizeInBytes ?? 0));
        return string.Create(CultureInfo.InvariantCulture, $"""
            After event {state.Sequence} ({TimeText.Of(state.RecordedAt)}), {state.Events} events:
            images {present}, cached {cached.Count} ({size}), pods and workloads {state.Users.Count}

            """);
    }
}
