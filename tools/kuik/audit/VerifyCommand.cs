using System.CommandLine;
using System.Data;
using Kuik.CommandLine.Output;
using Kuik.Contracts;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik verify</c>: compares the log with everything that is derived from it.</summary>
internal sealed class VerifyCommand : LogCommand
{
    private readonly ClusterOptions _cluster = new();

    private readonly Option<bool> _resources = new("--resources")
    {
        Description = "Also compare the CachedImages of the cluster, which follow the log by a second or two",
    };

    private readonly CacheRegistryOptions _registry = new();

    private readonly Option<bool> _chain = new("--chain")
    {
        Description = "Instead: verify the hash chain (Kuik:Log:HashChain), and print its head as SEQUENCE:HASH",
    };

    private readonly Option<KeptHead[]> _since = ChainReport.SinceOption();

    private readonly FormatOption _format = new();

    /// <summary>Creates the command with its options.</summary>
    public VerifyCommand() : base(
        "verify", "Folds the whole log and compares it with itself, snapshots, usage table, work table and views, and if asked with the "
            + "CachedImages and the cache registry. Lists every difference.")
    {
        Options.Add(_resources);
        _registry.AddTo(this);
        Options.Add(_chain);
        Options.Add(_since);
        Options.Add(_format);
        _cluster.AddTo(this);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples { get; } =
    [
        "kuik verify",
        "kuik verify --output json | jq -r '.differences[] | .part + \" \" + .subject'",
        "kuik verify --resources --context production",
        "kuik verify --registry http://127.0.0.1:5000 --registry-rate 20",
        "kuik verify --chain | tail -n 1 >> heads.txt",
    ];

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        if (arguments.GetValue(_chain) || arguments.GetValue(_since) is { Length: > 0 })
            return await ChainReport.Run(connection, arguments.GetValue(_since) ?? [], _format.Of(arguments), ct);
        using var registry = await _registry.Connect(arguments, ct);
        var verification = await Verify(arguments, connection, ct);
        var differences = verification.Differences.ToList();
        if (arguments.GetValue(_resources))
            differences.AddRange(await ResourceComparison.Compare(_cluster.Connect(arguments), verification.State, ct));
        if (registry is not null)
            differences.AddRange(await Compare(registry, verification.State, connection, ct));
        if (_format.Of(arguments) is (Format.Json or Format.Yaml) and var format)
            await Document.Write(
                new { verification.State.Sequence, verification.State.Events, Differences = differences, verification.Skipped },
                format, ct);
        else
            Print(verification, differences);
        return differences.Count > 0 ? ExitCode.ErrorsFound : verification.Skipped.Count > 0 ? ExitCode.Unknown : ExitCode.Ok;
    }

    private async Task<LogVerification> Verify(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
        await using var beside = await Connect(arguments, ct);
        await using var same = await beside.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
        await UseSnapshotOf(connection, beside, ct);
        using var progress = new ProgressLine("folding the log", await new EventPositions(connection).Last(ct));
        return await new LogVerifier(connection, beside).Verify(progress, ct);
    }

    private static async Task UseSnapshotOf(NpgsqlConnection connection, NpgsqlConnection beside, CancellationToken ct)
    {
        await using var export = new NpgsqlCommand("select pg_export_snapshot()", connection);
        var snapshot = (string)(await export.ExecuteScalarAsync(ct))!;
        await using var import = new NpgsqlCommand($"set transaction snapshot '{snapshot}'", beside);
        await import.ExecuteNonQueryAsync(ct);
    }

    // Of images that something has happened to since the fold, a difference says nothing.
    private static async Task<IEnumerable<LogDifference>> Compare(
        CacheRegistryReader registry, ReplayedState state, NpgsqlConnection connection, CancellationToken ct)
    {
        IReadOnlyList<LogDifference> differences;
        using (var progress = new ProgressLine("comparing the cache registry", unit: "images"))
            differences = await new RegistryComparison(registry, state, TimeProvider.System.GetUtcNow()).Compare(progress, ct);
        var changed = new HashSet<string>();
        await foreach (var one in new EventReader(connection).Read(
            new EventQuery { After = state.Sequence, OfImagesOnly = true, ForFold = true }, ct))
            changed.Add(one.Stream);
        return differences.Where(one => !changed.Contains(StreamName.OfImage(one.Subject)));
    }

    private static void Print(LogVerification verification, List<LogDifference> differences)
    {
        if (differences.Count > 0)
        {
            var table = new Table("PART", "SUBJECT", "FOUND");
            foreach (var one in differences)
                table.Add(one.Part, one.Subject, Excerpt.Of(one.Found));
            Console.Write(table + "\n");
        }
        foreach (var skipped in verification.Skipped)
            Console.WriteLine($"not compared: {skipped}");
        Console.WriteLine(
            $"events {verification.State.Events}, images {verification.State.Images.Count}, "
            + $"pods and workloads {verification.State.Users.Count}: "
            + (differences.Count == 0 ? "no difference" : $"{differences.Count} differences"));
    }
}
