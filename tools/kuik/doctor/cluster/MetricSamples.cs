using System.Globalization;
using System.Text.RegularExpressions;

namespace Kuik.CommandLine.Doctor;

/// <summary>One value of a metric.</summary>
/// <param name="Name">With the suffixes of the exposition format.</param>
/// <param name="Labels">As written, between the braces; empty for none.</param>
/// <param name="Value">Any number.</param>
internal sealed record MetricSample(string Name, string Labels, double Value)
{
    /// <summary>The value of a label; empty when there is none.</summary>
    public string Label(string name) => Regex.Match(Labels, $"(?:^|,){Regex.Escape(name)}=\"([^\"]*)\"").Groups[1].Value;
}

/// <summary>Metrics in Prometheus' text format.</summary>
internal sealed partial class MetricSamples
{
    private readonly IReadOnlyList<MetricSample> _samples;

    private MetricSamples(IReadOnlyList<MetricSample> samples) => _samples = samples;

    /// <summary>Parses them; other lines are skipped.</summary>
    public static MetricSamples Parse(string text) => new(
    [
        .. text.Split('\n').Select(line => Line().Match(line)).Where(match => match.Success)
            .Select(match => (match, IsNumber: double.TryParse(match.Groups[3].ValueSpan, CultureInfo.InvariantCulture, out var value),
                value))
            .Where(sample => sample.IsNumber)
            .Select(sample => new MetricSample(sample.match.Groups[1].Value, sample.match.Groups[2].Value, sample.value)),
    ]);

    /// <summary>All samples of a metric.</summary>
    public IEnumerable<MetricSample> Of(string name) => _samples.Where(sample => sample.Name == name);

    [GeneratedRegex(@"\A([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})? +(\S+)")]
    private static partial Regex Line();
}
