using System.CommandLine;
using System.Globalization;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik rebuild</c>: makes everything that is derived from the log agree with it.</summary>
internal sealed class RebuildCommand : LogCommand
{
    private readonly FormatOption _format = new();

    /// <summary>Creates the command with its options.</summary>
    public RebuildCommand() : base(
        "rebuild",
        "Folds the whole log and corrects usage table, snapshots, work table, repositories and views, all at once, while services run. "
            + "Ctrl-C before the end changes nothing.",
        isReadOnly: false)
    {
        Options.Add(_format);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik rebuild",
        "kuik rebuild --output json | jq .parts",
    ];

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        RebuildResult result;
        using (var progress = new ProgressLine("folding the log", await new EventPositions(connection).Last(ct)))
            result = await new LogRebuild(connection, TimeProvider.System).Run(progress, ct);
        if (_format.Of(arguments) is (Format.Json or Format.Yaml) and var format)
            await Document.Write(result, format, ct);
        else
            Print(result);
        return result.Skipped.Count > 0 ? ExitCode.Unknown : ExitCode.Ok;
    }

    private static void Print(RebuildResult result)
    {
        var table = new Table("PART", "CORRECTED");
        foreach (var (part, count) in result.Parts)
            table.Add(part, count.ToString(CultureInfo.InvariantCulture));
        Console.Write(table + "\n");
        foreach (var skipped in result.Skipped)
            Console.WriteLine($"not rebuilt: {skipped}");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"events {result.Events}, up to {result.Sequence}; writers waited {(result.Waited + result.Locked).TotalMilliseconds:0} ms"));
    }
}
