using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>
/// Sends the counts of <see cref="PullCounter"/> to image-fetcher, one request an interval. No pull waits for it, and an image-fetcher that
/// does not answer changes nothing but the counts, which are sent with the next report, as far as there is room for them.
/// </summary>
internal sealed partial class PullReporter(
    PullCounter counter, SourceAddresses addresses, SourceCredentials credentials, HttpMessageInvoker client, ProxyOptions options,
    ProxyMetrics metrics, TimeProvider time, ILogger<PullReporter> logger) : BackgroundService
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private bool _hasFailed;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.PullReportInterval == TimeSpan.Zero)
            return;
        using var timer = new PeriodicTimer(options.PullReportInterval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await Report(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Its end, also after a failed start, which the host would log as this service's failure.
        }
    }

    /// <summary>Sends one report, unless nothing was pulled or there is no image-fetcher.</summary>
    public async Task Report(CancellationToken ct)
    {
        if (addresses.Fetcher.Current is not { } fetcher || counter.Take() is not { Count: > 0 } pulls)
            return;
        var problem = await Send(fetcher, pulls, ct);
        metrics.Reported(problem is null);
        if (problem is not null)
        {
            counter.PutBack(pulls);
            if (!_hasFailed)
                LogNotSent(problem);
        }
        _hasFailed = problem is not null;
    }

    /// <returns>The problem; null when the report was taken.</returns>
    private async Task<string?> Send(Uri fetcher, IReadOnlyList<CountedPulls> pulls, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(fetcher, PullReport.Path))
        {
            Content = JsonContent.Create(new PullReport(Environment.MachineName, pulls), PullReportJson.Default.PullReport),
        };
        request.Headers.Authorization = credentials.Fetcher?.Header;
        using var late = new CancellationTokenSource(Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, ct);
        try
        {
            using var answer = await client.SendAsync(request, either.Token);
            return answer.IsSuccessStatusCode ? null : $"it answered {(int)answer.StatusCode}";
        }
        catch (HttpRequestException fault)
        {
            return $"unreachable ({fault.HttpRequestError})";
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return "it did not answer in time";
        }
    }

    [LoggerMessage(LogLevel.Warning, "counted pulls could not be reported to image-fetcher, which is tried again: {Problem}")]
    private partial void LogNotSent(string problem);
}
