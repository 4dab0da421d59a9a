using System.Globalization;
using System.Text.RegularExpressions;

namespace Kuik.Kubernetes;

/// <summary>Durations as Go writes them, which Kubernetes' resources use: <c>90m</c>, <c>1h30m</c>, <c>1.5h</c>.</summary>
public static partial class GoDuration
{
    private static readonly Dictionary<string, double> Ticks = new()
    {
        ["ns"] = 0.01,
        ["us"] = TimeSpan.TicksPerMicrosecond,
        ["µs"] = TimeSpan.TicksPerMicrosecond,
        ["ms"] = TimeSpan.TicksPerMillisecond,
        ["s"] = TimeSpan.TicksPerSecond,
        ["m"] = TimeSpan.TicksPerMinute,
        ["h"] = TimeSpan.TicksPerHour,
    };

    /// <summary>Parses one; false for anything else, and for one of more than 29,000 years.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = default;
        if (text == "0")
            return true;
        if (Whole().Match(text) is not { Success: true } match)
            return false;
        var (numbers, units) = (match.Groups["number"].Captures, match.Groups["unit"].Captures);
        var ticks = numbers.Zip(units).Sum(part => double.Parse(part.First.Value, CultureInfo.InvariantCulture) * Ticks[part.Second.Value]);
        if (ticks >= TimeSpan.MaxValue.Ticks)
            return false;
        duration = TimeSpan.FromTicks((long)Math.Round(ticks)) * (text[0] == '-' ? -1 : 1);
        return true;
    }

    [GeneratedRegex(@"\A[-+]?((?<number>[0-9]+(\.[0-9]*)?|\.[0-9]+)(?<unit>ns|us|µs|ms|s|m|h))+\z")]
    private static partial Regex Whole();
}
