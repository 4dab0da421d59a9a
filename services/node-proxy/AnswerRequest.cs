using Kuik.Contracts;

namespace Kuik.NodeProxy;

/// <summary>Every request on the pull ports: reads what is asked, hands it to the feature that answers, counts it and logs what was not a plain hit.</summary>
internal sealed partial class AnswerRequest(
    ServeManifest manifests, ServeBlob blobs, ListTags tags, RelayReferrers referrers, ProxySettings settings, ProxyMetrics metrics, TimeProvider time, ILogger<AnswerRequest> logger)
{
    private readonly int[] _ownPorts = [.. settings.OwnPorts];

    public Task Run(HttpContext http)
    {
        BeginAnew(http.Response);
        var origin = http.Request.Query["ns"] is [{ Length: > 0 } ns, ..] ? ns : null;
        return ReadRoute.Of(http.Request.Method, http.Request.Path.Value ?? "", origin, _ownPorts) switch
        {
            Route.Manifest(var image) => Pull(http, image, "manifest", manifests.Run),
            Route.Blob(var image) => Pull(http, image, "blob", blobs.Run),
            Route.Tags(var image) => Pull(http, image, "tags", tags.Run),
            Route.Referrers(var image) => Pull(http, image, "referrers", referrers.Run),
            Route.Refused(var status, var code, var message) => WriteError.To(http, status, code, message),
            _ => SayVersion(http),
        };
    }

    /// <summary>Forgets what has been set, and sets what every answer has.</summary>
    public static void BeginAnew(HttpResponse response)
    {
        response.Clear();
        response.Headers["Docker-Distribution-Api-Version"] = "registry/2.0";
        response.Headers.XContentTypeOptions = "nosniff";
    }

    private static Task SayVersion(HttpContext http)
    {
        http.Response.ContentType = "application/json";
        http.Response.ContentLength = 2;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : http.Response.WriteAsync("{}", http.RequestAborted);
    }

    private async Task Pull(HttpContext http, ImageReference image, string kind, Func<HttpContext, ImageReference, Task<PullOutcome>> answer)
    {
        var begun = time.GetTimestamp();
        metrics.Begin();
        try
        {
            var outcome = await answer(http, image);
            metrics.Count(image, kind, http.Response.StatusCode, outcome);
            if (!outcome.IsPlainHit)
                Say(http.Request.Method, kind, image, http.Response.StatusCode, outcome.Source, (long)time.GetElapsedTime(begun).TotalMilliseconds, outcome.Note);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            metrics.Count(image, kind, StatusCodes.Status499ClientClosedRequest, new PullOutcome(PullOutcome.NoSource, ""));
        }
        finally
        {
            metrics.End();
        }
    }

    [LoggerMessage(LogLevel.Information, "{Method} {Kind} {Image}: {Status} from {Source} in {Milliseconds} ms {Note}")]
    private partial void Say(string method, string kind, ImageReference image, int status, string source, long milliseconds, string note);
}
