using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Kuik.Bench;

/// <summary>One line of <c>results.json</c>.</summary>
/// <param name="Suite">For example <c>copy</c>.</param>
/// <param name="Case">The measured operation.</param>
/// <param name="Subject">The measured program: <c>kuik</c>, a peer, or <c>kuik/PEER</c> for the ratio of the two in the same run.</param>
/// <param name="Metric">The name of the measurement.</param>
/// <param name="Unit">Of median, minimum and maximum.</param>
/// <param name="Median">Over all runs.</param>
/// <param name="Min">Over all runs.</param>
/// <param name="Max">Over all runs.</param>
/// <param name="Runs">How many; 0 for what is quoted.</param>
internal sealed record Result(string Suite, string Case, string Subject, string Metric, string Unit, double Median, double Min, double Max,
    int Runs);

/// <summary>The results of all suites.</summary>
internal sealed class Results
{
    /// <summary>The subject that the others are compared with.</summary>
    public const string Kuik = "kuik";

    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private readonly List<(Result Series, List<double> Values)> series = [];
    private readonly List<Result> quoted = [];
    private readonly List<string> notes = [];

    /// <summary>Adds what one run measured; runs of two subjects that belong together are added in the same order.</summary>
    public void Add(string suite, string @case, string subject, string metric, string unit, double value)
    {
        var key = new Result(suite, @case, subject, metric, unit, 0, 0, 0, 0);
        var values = series.Find(one => one.Series == key).Values;
        if (values is null)
            series.Add((key, values = []));
        values.Add(value);
    }

    /// <summary>Adds what others have measured elsewhere, for comparison: its lowest and its highest value. There is no ratio to
    /// it.</summary>
    public void Quote(string suite, string @case, string subject, string metric, string unit, double low, double high) =>
        quoted.Add(new Result(suite, @case, subject, metric, unit, (low + high) / 2, low, high, Runs: 0));

    /// <summary>The median of one series, or of the ratio of two.</summary>
    public double Median(string suite, string @case, string subject, string metric) => Find(suite, @case, subject, metric)!.Median;

    /// <summary>One series, or the ratio of two; null when it was not measured.</summary>
    public Result? Find(string suite, string @case, string subject, string metric) =>
        All().SingleOrDefault(result => (result.Suite, result.Case, result.Subject, result.Metric) == (suite, @case, subject, metric));

    /// <summary>Adds what was to be reached, and whether it was.</summary>
    public void Goal(string what, string measured, bool isMet) =>
        notes.Add($"- {(isMet ? "met" : "**MISSED**")}: {what} (measured: {measured})");

    /// <summary>Everything measured, each ratio behind its subjects, and what is quoted.</summary>
    public IEnumerable<Result> All() =>
        series.SelectMany(one => new[] { Summary(one.Series, one.Values) }.Concat(Ratios(one.Series, one.Values))).Concat(quoted);

    /// <summary>Prints the table, and writes <c>results.md</c> and <c>results.json</c>.</summary>
    /// <param name="folder">Where to.</param>
    public void Write(string folder)
    {
        var table = Table();
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "results.md"), table);
        File.WriteAllText(Path.Combine(folder, "results.json"), JsonSerializer.Serialize(All(), Format));
        Console.WriteLine(table);
    }

    private static Result Summary(Result key, List<double> values)
    {
        var sorted = values.Order().ToList();
        var median = (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
        return key with { Median = median, Min = sorted[0], Max = sorted[^1], Runs = sorted.Count };
    }

    // How many bytes there were to send is the same for all.
    private IEnumerable<Result> Ratios(Result peer, List<double> theirs)
    {
        if (peer.Subject == Kuik || peer.Unit is "bytes"
            || series.Find(one => one.Series == peer with { Subject = Kuik }).Values is not { } ours)
            return [];
        // CPU comes in steps of 10 ms: one may be none
        var ratios = ours.Zip(theirs).Where(pair => pair.Second > 0).Select(pair => pair.First / pair.Second).ToList();
        return ratios.Count > 0 ? [Summary(peer with { Subject = $"{Kuik}/{peer.Subject}", Unit = "ratio" }, ratios)] : [];
    }

    private string Table()
    {
        var text = new StringBuilder();
        foreach (var suite in All().GroupBy(result => result.Suite))
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"## {suite.Key}\n");
            text.AppendLine("| case | metric | unit | subject | median | min | max | runs |\n|---|---|---|---|---:|---:|---:|---:|");
            foreach (var r in suite.OrderBy(r => Order(suite, r)))
                text.AppendLine(CultureInfo.InvariantCulture,
                    $"| {r.Case} | {r.Metric} | {r.Unit} | {r.Subject} | {Show(r.Median)} | {Show(r.Min)} | {Show(r.Max)} | {r.Runs} |");
            text.AppendLine();
        }
        return text.AppendJoin('\n', notes).AppendLine().ToString();
    }

    // Subjects of one metric together, kuik first, in the order in which cases and metrics came.
    private static (int, bool) Order(IEnumerable<Result> suite, Result result) =>
        (suite.Select((one, i) => (one, i)).First(x => (x.one.Case, x.one.Metric) == (result.Case, result.Metric)).i,
            result.Subject != Kuik);

    private static string Show(double value) =>
        value.ToString(value == Math.Floor(value) ? "0" : Math.Abs(value) < 10 ? "0.00" : "0.0", CultureInfo.InvariantCulture);
}
