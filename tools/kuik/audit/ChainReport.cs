using System.CommandLine;
using System.CommandLine.Parsing;
using System.Data;
using System.Globalization;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>kuik verify --chain</c>: the verification of the hash chain.</summary>
internal static class ChainReport
{
    /// <summary>The heads that the chain has to lead to.</summary>
    public static Option<KeptHead[]> SinceOption() => new("--since")
    {
        Description = "A head that was printed before and kept elsewhere: everything up to it has to be what it was. May be repeated",
        HelpName = "sequence:hash",
        CustomParser = Read,
    };

    /// <summary>Verifies and prints.</summary>
    /// <returns>An exit code.</returns>
    public static async Task<int> Run(NpgsqlConnection connection, KeptHead[] kept, Format format, CancellationToken ct)
    {
        var chain = await Verify(connection, kept, ct);
        if (format is Format.Json or Format.Yaml)
            await Document.Write(new
            {
                Head = chain.Head?.ToString(),
                chain.IsRecorded,
                chain.Events,
                chain.Removed,
                chain.Unchained,
                chain.Horizon,
                chain.Differences,
            }, format, ct);
        else
            Print(chain);
        return chain.Differences.Count > 0 ? ExitCode.ErrorsFound : chain.IsRecorded ? ExitCode.Ok : ExitCode.Unknown;
    }

    private static async Task<ChainVerification> Verify(NpgsqlConnection connection, KeptHead[] kept, CancellationToken ct)
    {
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
        using var progress = new ProgressLine("verifying the chain", await new EventPositions(connection).Last(ct));
        return await new ChainVerifier(connection).Verify(kept, progress, ct);
    }

    private static void Print(ChainVerification chain)
    {
        if (chain.Differences.Count > 0)
        {
            var table = new Table("SEQUENCE", "FOUND");
            foreach (var one in chain.Differences)
                table.Add(one.Sequence.ToString(CultureInfo.InvariantCulture), one.Found);
            Console.Write(table + "\n");
        }
        if (chain.Horizon.Exists)
            Console.WriteLine($"removed by Kuik:Log:RetainFor: {chain.Removed} events of the chain, up to {chain.Horizon}");
        if (!chain.IsRecorded)
            Console.WriteLine("the log has no recorded chain (Kuik:Log:HashChain): computed from its events now");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"events {chain.Events}, not in the chain yet {chain.Unchained}: ")
            + (chain.Differences.Count == 0 ? "no difference" : $"{chain.Differences.Count} differences"));
        if (chain.Head is not null)
            Console.WriteLine(chain.Head);
    }

    private static KeptHead[] Read(ArgumentResult result)
    {
        var heads = result.Tokens.Select(token => (token.Value, Head: KeptHead.Parse(token.Value))).ToList();
        foreach (var (text, _) in heads.Where(one => one.Head is null))
            result.AddError($"'{text}' is no head of a chain: SEQUENCE:HASH, as kuik verify --chain prints it.");
        return [.. heads.Select(one => one.Head).OfType<KeptHead>()];
    }
}
