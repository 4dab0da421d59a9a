using System.Globalization;
using System.Text.RegularExpressions;
using Kuik.Oci;
using Kuik.Testing;

namespace Kuik.Bench.Pull;

/// <summary>The result of a load test of a server.</summary>
/// <param name="RequestsPerSecond">Answered with 200.</param>
/// <param name="MedianMilliseconds">Of the latency.</param>
/// <param name="P99Milliseconds">Of the latency.</param>
internal sealed record Load(double RequestsPerSecond, double MedianMilliseconds, double P99Milliseconds);

/// <summary>Asks for one thing again and again with wrk, on one thread.</summary>
internal static partial class RunWrk
{
    // without it the registry knows no OCI manifest
    private static readonly string Accept = "Accept: " + string.Join(", ", MediaTypes.Manifests);

    /// <exception cref="ServerFailedException">Not everything was answered with 200.</exception>
    public static async Task<Load> Run(Uri address, int connections, int seconds)
    {
        var said = await RunTool.Run("wrk", ["-t1", $"-c{connections}", $"-d{seconds}s", "--latency", "-H", Accept, address.AbsoluteUri]);
        if (said.Contains("Non-2xx", StringComparison.Ordinal))
            throw new ServerFailedException($"{address} did not always answer with 200: {said}");
        if (said.Contains(" 0 requests in", StringComparison.Ordinal))
            throw new ServerFailedException($"{address} answered nothing: {said}");
        return new Load(Number(RequestRate().Match(said).Groups[1].Value), Milliseconds(said, "50"), Milliseconds(said, "99"));
    }

    private static double Milliseconds(string said, string percentile)
    {
        var found = Latency().Matches(said).Single(line => line.Groups[1].Value == percentile);
        return Number(found.Groups[2].Value) * found.Groups[3].Value switch { "us" => 0.001, "ms" => 1, _ => 1000 };
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"Requests/sec:\s+([0-9.]+)")]
    private static partial Regex RequestRate();

    [GeneratedRegex(@"^\s+(\d+)%\s+([0-9.]+)(us|ms|s)\s*$", RegexOptions.Multiline)]
    private static partial Regex Latency();
}
