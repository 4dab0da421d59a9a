using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik import</c>: fills an empty event log from an export.</summary>
internal sealed class ImportCommand : LogCommand
{
    private readonly Argument<string?> _file = new("file")
    {
        Description = "An export that begins with the first event. Default: standard input",
        Arity = ArgumentArity.ZeroOrOne,
    };

    /// <summary>Creates the command with its options.</summary>
    public ImportCommand() : base(
        "import", "Fills an event log that has tables (pod-watcher migrate) and no events, while no service uses it.", isReadOnly: false)
    {
        Arguments.Add(_file);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik import audit.jsonl --postgres 'Host=127.0.0.1;Database=kuik_audit;Username=kuik'",
        "gunzip < last-week.jsonl.gz | kuik import",
    ];

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        var file = arguments.GetValue(_file);
        using var reader = file is null ? new StreamReader(Console.OpenStandardInput()) : new StreamReader(file);
        long count;
        using (var progress = new ProgressLine("importing"))
            count = await EventImport.Run(connection, Read(reader, file ?? "standard input", ct), progress, ct);
        Say(string.Create(CultureInfo.InvariantCulture, $"{count} events; the views of pod-watcher follow when it starts"));
        return ExitCode.Ok;
    }

    private static async IAsyncEnumerable<RecordedEvent> Read(
        StreamReader reader, string name, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        for (var number = 1L; await reader.ReadLineAsync(ct) is { } line; number++)
            if (line.Length > 0)
                yield return Parse(line, name, number);
    }

    private static RecordedEvent Parse(string line, string name, long number)
    {
        try
        {
            return CloudEvent.Parse(line).AsRecorded();
        }
        catch (Exception fault) when (fault is JsonException or FormatException)
        {
            throw new EventLogUnusableException($"line {number} of {name} is no exported event: {fault.Message}", fault);
        }
    }
}
