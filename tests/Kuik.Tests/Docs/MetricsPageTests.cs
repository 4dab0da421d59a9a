using System.Text.RegularExpressions;
using Xunit;

namespace Kuik.Tests.Docs;

/// <summary>docs/metrics.md has every instrument once, with its kind, and none that is not there.</summary>
public sealed partial class MetricsPageTests
{
    private static readonly string Source = SourceText.Of("services", "shared");

    [Fact]
    public void Every_instrument_has_one_row()
    {
        var instruments = Instrument().Matches(Source).Select(match => NameOf(match.Groups[2].Value)).Order(StringComparer.Ordinal);

        Assert.Equal(instruments, Rows().Select(row => row.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_row_gives_the_kind_of_its_instrument()
    {
        var kinds = Instrument().Matches(Source)
            .ToDictionary(match => NameOf(match.Groups[2].Value), match => KindOf(match.Groups[1].Value));

        Assert.DoesNotContain(Rows(), row => kinds[row.Name] != row.Kind);
    }

    private static IReadOnlyList<(string Name, string Kind)> Rows() =>
    [
        .. from row in Row().Matches(SourceText.Page("metrics.md"))
           from name in Name().Matches(row.Groups[1].Value)
           select (name.Groups[1].Value, row.Groups[2].Value.TrimEnd('s')),
    ];

    // A name is written in place, or is a constant of the same file.
    private static string NameOf(string argument) => argument.StartsWith('"')
        ? argument.Trim('"')
        : Regex.Matches(Source, $@"const string {argument} = ""(k[a-z_.]+)""").Select(match => match.Groups[1].Value).Single();

    private static string KindOf(string method) =>
        method.Contains("UpDown", StringComparison.Ordinal) || method.EndsWith("Gauge", StringComparison.Ordinal) ? "gauge"
        : method.EndsWith("Histogram", StringComparison.Ordinal) ? "histogram" : "counter";

    [GeneratedRegex(@"\.Create((?:Observable)?(?:Counter|Gauge|UpDownCounter)|Histogram)(?:<\w+>)?\(\s*(""[a-z_.]+""|[A-Z]\w+),")]
    private static partial Regex Instrument();

    [GeneratedRegex(@"^\| (`k[^|]+) \| (counters?|gauges?|histograms?) \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex("`([a-z_.]+)`")]
    private static partial Regex Name();
}
