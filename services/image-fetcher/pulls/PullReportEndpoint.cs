using Kuik.EventLog;
using Kuik.Oci;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>Takes the reports of node-proxies about answered pulls and adds them to the table of pulls. It asks for the same token as
/// pull-through.</summary>
internal static class PullReportEndpoint
{
    /// <summary>2000 images with names of 255 characters are half of it.</summary>
    private const long LargestReport = 2 << 20;

    private const int LongestNodeName = 253;

    /// <summary>Shorter than node-proxy's own limit.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(4);

    /// <summary>Answers <c>POST /kuik/pulls</c>: 204 when the report is stored, 400 when it is none, 503 while Postgres is away.</summary>
    public static void MapPullReports(this WebApplication routes) => routes.MapPost(PullReport.Path,
        async (HttpContext http, NpgsqlDataSource postgres, PullMetrics metrics, TimeProvider time) =>
        {
            if (http.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
                size.MaxRequestBodySize = LargestReport;
            return await Read(http) is { } report
                ? await Store(report, postgres, metrics, time, http.RequestAborted)
                : TypedResults.BadRequest();
        });

    /// <summary>True for a report that can be stored.</summary>
    public static bool IsValid(PullReport report) =>
        report is { Node: { Length: > 0 and <= LongestNodeName }, Pulls: { Count: <= PullReport.MostImages } pulls }
        && pulls.All(one => one is { Image.Length: > 0, Count: > 0 and < int.MaxValue } && one.Hits is not < 0
            && !(one.Hits > one.Count));

    private static async Task<PullReport?> Read(HttpContext http)
    {
        try
        {
            var report = await http.Request.ReadFromJsonAsync(PullReportJson.Default.PullReport, http.RequestAborted);
            return report is not null && IsValid(report) ? report : null;
        }
        catch (Exception fault) when (fault is System.Text.Json.JsonException or BadHttpRequestException or InvalidOperationException)
        {
            return null;   // no JSON, or too much of it
        }
    }

    private static async Task<IResult> Store(PullReport report, NpgsqlDataSource postgres, PullMetrics metrics, TimeProvider time,
        CancellationToken ct)
    {
        using var late = new CancellationTokenSource(Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, ct);
        try
        {
            var known = await ImagePulls.Add(
                postgres, report.Node, [.. report.Pulls.Select(one => (one.Image, one.Count, one.LastAt))], either.Token);
            metrics.Count(report.Pulls.IntersectBy(known, one => one.Image));
            return TypedResults.NoContent();
        }
        catch (Exception fault) when (EventLogFault.IsOfPostgres(fault) || fault is OperationCanceledException)
        {
            return TypedResults.StatusCode(StatusCodes.Status503ServiceUnavailable);   // node-proxy adds it to its next report
        }
    }
}
