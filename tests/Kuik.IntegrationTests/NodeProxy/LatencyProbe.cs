using System.Diagnostics;
using System.Globalization;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>
/// Sends a request every 50 ms whether the ones before it are answered or not (an open loop): a server that stands still for a second
/// delays twenty of them, where a client that waits for each answer would see one.
/// </summary>
/// <param name="name">For messages.</param>
/// <param name="address">Of the server.</param>
/// <param name="path">Of the n-th request.</param>
internal sealed class LatencyProbe(string name, Uri address, Func<int, string> path) : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly HttpClient client = new() { BaseAddress = address, Timeout = TimeSpan.FromSeconds(30) };
    private TimeSpan[] times = [];

    /// <summary>Responses other than 200, or later than 30 seconds, each once.</summary>
    public IReadOnlyCollection<string> Failures { get; private set; } = [];

    /// <summary>99 of 100 requests are answered within it.</summary>
    public TimeSpan P99 => times[(int)Math.Ceiling(times.Length * 0.99) - 1];

    /// <summary>How many requests a run of this length sends.</summary>
    public static int CountIn(TimeSpan duration) => (int)(duration / Interval);

    /// <summary>Sends requests for so long, and waits for their answers.</summary>
    public async Task Run(TimeSpan duration)
    {
        using var timer = new PeriodicTimer(Interval);
        var sent = new List<Task<(TimeSpan Took, string? Failure)>>();
        for (var i = 0; i < CountIn(duration); i++)
        {
            sent.Add(Ask(path(i)));
            await timer.WaitForNextTickAsync();
        }
        var answers = await Task.WhenAll(sent);
        times = [.. answers.Select(answer => answer.Took).Order()];
        Failures = [.. answers.Select(answer => answer.Failure).OfType<string>().Distinct()];
    }

    public override string ToString() => $"{name}: p50 {Show(times[times.Length / 2])}, p99 {Show(P99)}, longest {Show(times[^1])}";

    public void Dispose() => client.Dispose();

    private static string Show(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.0} ms");

    private async Task<(TimeSpan Took, string? Failure)> Ask(string target)
    {
        var begun = Stopwatch.GetTimestamp();
        try
        {
            using var answer = await client.GetAsync(new Uri(target, UriKind.Relative));
            return (Stopwatch.GetElapsedTime(begun), answer.IsSuccessStatusCode ? null : $"{name}: {(int)answer.StatusCode}");
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return (Stopwatch.GetElapsedTime(begun), $"{name}: {e.Message}");
        }
    }
}
