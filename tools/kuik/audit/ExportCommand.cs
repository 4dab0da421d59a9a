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

    private readonly Option<bool> _confirm = new("--confirm")
    {
        Description = "With --to: record that everything up to here is exported, which Kuik:Log:ExportFirst waits for. Needs the right to "
            + "write to kuik.log_retention",
    };

    /// <summary>Creates the command with its options.</summary>
    public ExportCommand() : base("export", "Writes events as CloudEvents, one JSON object a line, in the order of the log.")
    {
        foreach (var option in new Option[] { _since, _until, _to, _confirm })
            Options.Add(option);
        Validators.Add(command =>
        {
            if (command.GetResult(_confirm) is { Implicit: false } && command.GetResult(_to) is null)
                command.AddError("--confirm needs --to: of what standard output gets, it is not known whether it was kept.");
        });
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik export --to audit.jsonl",
        "kuik export --to audit.jsonl --confirm",
        "kuik export --since 7d | gzip > last-week.jsonl.gz",
        "kuik export --until '2026-03-01' --to until-march.jsonl",
    ];

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var positions = new EventPositions(connection);
        var horizon = await positions.HoldHorizon(ct);
        var after = await positions.Find(arguments.GetValue(_since), ct) ?? 0;
        // An event that is committed later below the last one would be missed for good by the next export.
        var settled = await positions.WaitForSettledEnd(TimeProvider.System, ct);
        var until = Math.Min(settled, await positions.Find(arguments.GetValue(_until), ct) ?? settled);
        if (arguments.GetValue(_to) is not { } path)
        {
            await using var output = Console.OpenStandardOutput();
            await Write(output, connection, horizon, (after, until), ct);
            return ExitCode.Ok;
        }
        await using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        // The file as a whole is the export, unless events are left out behind what it has.
        var end = await ExportFile.FindEnd(file, ct);
        var begin = end >= after ? await ExportFile.FindBegin(file, ct) - 1 : after;
        after = Math.Max(after, end ?? 0);
        await Write(file, connection, horizon, (after, until), ct);
        file.Flush(flushToDisk: true);
        return arguments.GetValue(_confirm) ? await Confirm(connection, begin, until, ct) : ExitCode.Ok;
    }

    private static async Task Write(
        Stream output, NpgsqlConnection connection, LogHorizon horizon, (long After, long Until) range, CancellationToken ct)
    {
        var (count, last) = (0L, range.After);
        var query = new EventQuery { After = range.After, Until = range.Until };
        await using (var writer = new StreamWriter(output, leaveOpen: true) { NewLine = "\n" })
        using (var progress = new ProgressLine("exporting", null))
            await foreach (var one in new EventReader(connection).Read(query, ct))
            {
                var first = count == 0 && horizon.Sequence > range.After ? one with { Horizon = horizon } : one;
                await writer.WriteLineAsync(CloudEvent.Of(first).AsLine().AsMemory(), ct);
                progress.Report(++count);
                last = one.Sequence;
            }
        Say(string.Create(CultureInfo.InvariantCulture,
            $"{count} events, up to {last}; the next export begins with --since {Math.Max(last, range.Until)}"));
        if (horizon.Sequence > range.After)
            Say($"not among them: pods, workloads and images that had ended by {horizon} (Kuik:Log:RetainFor)");
    }

    private static async Task<int> Confirm(NpgsqlConnection connection, long after, long until, CancellationToken ct)
    {
        var confirmed = await EventExport.Confirm(connection, after, until, ct);
        if (confirmed >= until)
            return ExitCode.Ok;
        Say(string.Create(CultureInfo.InvariantCulture,
            $"not confirmed: the export begins after event {after}, and confirmed ones end at event {confirmed}"));
        return ExitCode.ErrorsFound;
    }
}
