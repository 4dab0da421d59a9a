using System.Diagnostics;
using System.Globalization;
using Kuik.Testing;
using Npgsql;

namespace Kuik.Bench.Replay;

/// <summary>
/// The audit commands on a log of EVENTS events (1,000,000), as processes, by turns with psql reading the same rows in the order of the
/// log.
/// </summary>
internal static class ReplaySuite
{
    public const string Suite = "replay";

    private const string Psql = "psql";
    private const string Wall = "wall time";
    private const string Memory = "peak memory";

    private static readonly int Runs = Setting.Number("RUNS", 5);
    private static readonly string Tool = Path.Combine(Checkout.Root, "artifacts/publish/CommandLine/release/kuik");

    public static async Task Run(Results results)
    {
        var postgres = await Postgres.StartOwn(settings: "max_wal_size=4GB");
        Setting.Say(Suite, "making the log");
        var log = await GeneratedLog.Make(postgres);
        Setting.Say(Suite, $"{log.Events} events; rebuilding all projections from nothing");
        await Measure(results, log, "rebuild from nothing", ["rebuild"]);
        var middle = (log.Events / 2).ToString(CultureInfo.InvariantCulture);
        (string Case, string[] Arguments)[] whole =
            [("replay of the whole log", ["replay", "--output", "json"]), ("verify", ["verify"]), ("rebuild, nothing wrong", ["rebuild"])];
        (string Case, string[] Arguments)[] questions =
        [
            ("history of an image", ["history", GeneratedLog.Image(77)]),
            ("history of a pod by name", ["history", "pod/" + GeneratedLog.Pod(777)]),
            ("why", ["why", GeneratedLog.Image(77)]),
            ("who", ["who", GeneratedLog.Image(77)]),
            ("who, at an earlier place", ["who", GeneratedLog.Image(77), "--at", middle]),
        ];
        for (var run = 1; run <= Runs; run++)
        {
            Setting.Say(Suite, $"turn {run} of {Runs}");
            foreach (var (name, arguments) in whole)
            {
                await ReadByPsql(results, log, name, log.Events);
                await Measure(results, log, name, arguments);
            }
            await ReadByPsql(results, log, "replay of the first half", log.Events / 2);
            await Measure(results, log, "replay of the first half", ["replay", "--until", middle, "--output", "json"]);
            foreach (var (name, arguments) in questions)
                await Measure(results, log, name, arguments);
        }
        Judge(results, whole.Select(one => one.Case), questions.Select(one => one.Case));
    }

    private static void Judge(Results results, IEnumerable<string> whole, IEnumerable<string> questions)
    {
        foreach (var name in whole)
        {
            var ratio = results.Median(Suite, name, $"{Results.Kuik}/{Psql}", Wall);
            results.Goal($"{name}: at most 3 times psql reading the same rows", Text(ratio), ratio <= 3);
            var memory = results.Median(Suite, name, Results.Kuik, Memory);
            results.Goal($"{name}: at most 200 MB resident", Text(memory) + " MiB", memory <= 200e6 / 1024 / 1024);
        }
        var replay = results.Median(Suite, "replay of the whole log", Results.Kuik, Wall);
        results.Goal("replay of any instant under 10 s", Text(replay) + " s", replay < 10);
        foreach (var name in questions)
        {
            var wall = results.Median(Suite, name, Results.Kuik, Wall) * 1000;
            results.Goal($"{name}: under 200 ms, as a process", Text(wall) + " ms", wall < 200);
        }
    }

    private static async Task ReadByPsql(Results results, GeneratedLog log, string name, long until)
    {
        var connection = new NpgsqlConnectionStringBuilder(log.Connection);
        var url = $"host={connection.Host} port={connection.Port} dbname={connection.Database} user={connection.Username}";
        var (seconds, _) = await Time("psql", ["-X", "-q", "-d", url, "-o", "/dev/null", "-c",
            $"copy (select seq_id, stream_id, version, type, timestamp, data from kuik.mt_events where seq_id <= {until} order by seq_id) "
                + "to stdout"], ("PGPASSWORD", connection.Password));
        results.Add(Suite, name, Psql, Wall, "s", seconds);
    }

    private static async Task Measure(Results results, GeneratedLog log, string name, string[] arguments)
    {
        if (!name.Contains(Setting.Wanted, StringComparison.Ordinal))
            return;
        var (seconds, memory) = await Time(Tool, arguments, ("ConnectionStrings__Postgres", log.Connection));
        results.Add(Suite, name, Results.Kuik, Wall, "s", seconds);
        results.Add(Suite, name, Results.Kuik, Memory, "MiB", memory);
    }

    private static async Task<(double Seconds, double PeakMemory)> Time(
        string program, string[] arguments, (string Name, string? Value) set)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true };
        start.Environment[set.Name] = set.Value;
        var began = Stopwatch.GetTimestamp();
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
        var ended = process.WaitForExitAsync();
        var peak = 0d;
        while (await Task.WhenAny(ended, Task.Delay(100)) != ended)
            peak = ProcessUsage.PeakMemory(process.Id) ?? peak;
        await output;
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        return process.ExitCode == 0
            ? (seconds, peak)
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with exit code {process.ExitCode}");
    }

    private static string Text(double value) => value.ToString(value < 10 ? "0.00" : "0", CultureInfo.InvariantCulture);
}
