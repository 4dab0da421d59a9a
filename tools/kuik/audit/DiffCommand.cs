using System.CommandLine;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik diff</c>: the differences between two places in the log.</summary>
internal sealed class DiffCommand : LogCommand
{
    private readonly Argument<Instant?> _from = Instant.Argument("from", "The earlier place");

    private readonly Argument<Instant?> _to = Instant.Argument("to", "The later place");

    private readonly FormatOption _format = new();

    /// <summary>Creates the command with its options.</summary>
    public DiffCommand() : base("diff", "Lists images and users that came, went or changed between two times.")
    {
        Arguments.Add(_from);
        Arguments.Add(_to);
        Options.Add(_format);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik diff 1d now",
        "kuik diff '2026-03-01 12:00' '2026-03-01 13:00' --output json | jq '.differences[] | select(.kind == \"image\")'",
    ];

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var positions = new EventPositions(connection);
        var from = await arguments.GetValue(_from)!.FindKnown(positions, ct);
        var to = await arguments.GetValue(_to)!.FindKnown(positions, ct);
        if (from > to)
            (from, to) = (to, from);
        var state = new ReplayedState();
        await Replay(state, connection, from, ct);
        var before = state.Copy();
        await Replay(state, connection, to, ct);
        var differences = StateDifference.Between(before, state);
        if (_format.Of(arguments) is (Format.Json or Format.Yaml) and var format)
        {
            await Document.Write(new { From = from, To = to, Differences = differences }, format, ct);
            return ExitCode.Ok;
        }
        var table = new Table(" ", "KIND", "SUBJECT", "BEFORE", "AFTER");
        foreach (var one in differences)
            table.Add(one.Change.ToString(), one.Kind, one.Subject, one.Before, one.After);
        if (differences.Count > 0)
            Console.Write(table);
        else
            Say("there is no difference");
        return ExitCode.Ok;
    }
}
