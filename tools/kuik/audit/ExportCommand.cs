using System.CommandLine;
using System.Globalization;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik export</c>: events as JSON Lines of CloudEvents.</summary>
internal sealed class ExportCommand : LogCommand
{
    private readonly Option<Instant?> _since = InstantOption.Option("--since", "Only events after this place");

    private readonly Option<Instant?> _until = InstantOption.Option("--until", "Only events up to this place");

    private readonly Option<string?> _to = new("--to")
    {
        Description = "The file; it is continued after the last event that it holds. Default: standard output",
        HelpName = "file",
    };

    /// <summary>Creates the command with its options.</summary>
    public ExportCommand() : base("export", "Writes events as CloudEvents, one JSON object a line, in the order of the log.")
    {
        foreach (var option in new Option[] { _since, _until, _to })
            Options.Add(option);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik export --to audit.jsonl",
        "kuik export --since 7d | gzip > last-week.jsonl.gz",
        "kuik export --until '2026-03-01' --to until-march.jsonl",
    ];

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var positions = new EventPositions(connection);
        var after = arguments.GetValue(_since) is { } since ? await since.Find(positions, ct) : 0;
        // An event that is committed later below the last one would be missed for good by the next export.
        var settled = await positions.SettledEnd(TimeProvider.System, ct);
        var until = arguments.GetValue(_until) is { } end ? Math.Min(settled, await end.Find(positions, ct)) : settled;
        if (arguments.GetValue(_to) is not { } path)
        {
            await using var output = Console.OpenStandardOutput();
            return await Write(output, connection, after, until, ct);
        }
        await using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        after = Math.Max(after, await ExportFile.FindEnd(file, ct) ?? 0);
        return await Write(file, connection, after, until, ct);
    }

    private static async Task<int> Write(Stream output, NpgsqlConnection connection, long after, long until, CancellationToken ct)
    {
        var (count, last) = (0L, after);
        await using (var writer = new StreamWriter(output, leaveOpen: true) { NewLine = "\n" })
        using (var progress = new ProgressLine("exporting", null))
            await foreach (var one in new EventReader(connection).Read(new EventQuery { After = after, Until = until }, ct))
            {
                await writer.WriteLineAsync(CloudEvent.Of(one).AsLine().AsMemory(), ct);
                progress.Report(++count);
                last = one.Sequence;
            }
        Say(string.Create(CultureInfo.InvariantCulture,
            $"{count} events, up to {last}; the next export begins with --since {Math.Max(last, until)}"));
        return ExitCode.Ok;
    }
}
