using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.Hosting;
using Microsoft.Extensions.Primitives;

namespace Kuik.NodeProxy;

/// <summary>Handles every request on the pull ports: parses it, calls the endpoint, counts it, and logs all but plain hits.</summary>
internal sealed partial class RegistryRequestHandler(
    ManifestEndpoint manifests, BlobEndpoint blobs, TagListEndpoint tags, ReferrersEndpoint referrers, TagResolver tagResolver,
    V1Paths v1Paths, SocketHandover socketHandover, ProxyOptions options,
    PullCounter counter, ProxyMetrics metrics, TimeProvider time, ILogger<RegistryRequestHandler> logger)
{
    private const int MostKnownRoutes = 1000;

    private readonly int[] _ownPorts = [.. options.OwnPorts];
    // a tag is asked for again and again
    private readonly ConcurrentDictionary<(string Path, string? Origin), Route.ManifestRoute> _known = new();

    public Task Handle(HttpContext http)
    {
        http.Features.Get<PullConnection>()!.Spoke();
        SetUsual(http.Response.Headers);
        if (socketHandover.IsLeaving)
            http.Response.OnStarting(SayGoodbye, http.Response);

        var named = http.Request.QueryString.HasValue ? http.Request.Query["ns"] : StringValues.Empty;
        var origin = named is [{ Length: > 0 } ns] ? ns : null;
        if (named.Count > 1)
            return TurnAway(http, new Route.Refused(400, "NAME_INVALID", "ns names one origin"));
        var path = http.Request.Path.Value ?? "";
        return options.AcceptsV1Paths && origin is null && V1Paths.TryTranslate(path, out var host, out var translated)
            ? RunV1(http, path, host, translated)
            : Handle(http, ParseRoute(http.Request.Method, path, origin), origin);
    }

    private async Task RunV1(HttpContext http, string path, string host, string translated)
    {
        bool exists;
        try
        {
            exists = await v1Paths.Exists(host, http.RequestAborted);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            return;   // the client is gone
        }
        await Handle(http, ParseRoute(http.Request.Method, exists ? path : translated, null), null);
    }

    private Task Handle(HttpContext http, Route route, string? origin) =>
        (OnlyAllowed(route) ?? route) switch
        {
            Route.ManifestRoute(var image) when image.Tag is not null && (origin is not null || options.RevalidatesTags) =>
                Pull(http, image, "manifest", RevalidateManifest),
            Route.ManifestRoute(var image) => Pull(http, image, "manifest", manifests.Serve),
            Route.Blob(var image) => Pull(http, image, "blob", blobs.Serve),
            Route.Tags(var image) => Pull(http, image, "tags", tags.Serve),
            Route.Referrers(var image) => Pull(http, image, "referrers", referrers.Serve),
            Route.Refused refused => TurnAway(http, refused),
            _ => SayVersion(http),
        };

    /// <summary>Clears the response and sets the headers of every answer.</summary>
    public static void BeginAnew(HttpResponse response)
    {
        response.Clear();
        SetUsual(response.Headers);
    }

    private static void SetUsual(IHeaderDictionary headers)
    {
        headers["Docker-Distribution-Api-Version"] = "registry/2.0";
        headers.XContentTypeOptions = "nosniff";
    }

    private Route ParseRoute(string method, string path, string? origin)
    {
        if (method is "GET" or "HEAD" && _known.TryGetValue((path, origin), out var known))
            return known;
        var route = RouteParser.Parse(method, path, origin, _ownPorts, options.ListenAddresses);
        if (route is Route.ManifestRoute manifest)
        {
            if (_known.Count >= MostKnownRoutes)
                _known.Clear();
            _known[(path, origin)] = manifest;
        }
        return route;
    }

    private static Task SayGoodbye(object response)
    {
        ((HttpResponse)response).Headers.Connection = "close";
        return Task.CompletedTask;
    }

    private static Task SayVersion(HttpContext http)
    {
        http.Response.ContentType = "application/json";
        http.Response.ContentLength = 2;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : http.Response.WriteAsync("{}", http.RequestAborted);
    }

    private Route.Refused? OnlyAllowed(Route route)
    {
        var image = route switch
        {
            Route.ManifestRoute(var asked) => asked,
            Route.Blob(var asked) => asked,
            Route.Tags(var asked) => asked,
            Route.Referrers(var asked) => asked,
            _ => null,
        };
        return image is not null && options.Origins.DenialReason(image.Host) is { } denied
            ? new Route.Refused(403, "DENIED", denied)
            : null;
    }

    private Task TurnAway(HttpContext http, Route.Refused refused)
    {
        metrics.TurnedAway(refused.Status);
        return WriteError.To(http, refused.Status, refused.Code, refused.Message);
    }

    private async Task<PullOutcome> RevalidateManifest(HttpContext http, ImageReference image) =>
        await manifests.Serve(http, await tagResolver.Resolve(image, http.RequestAborted));

    private async Task Pull(HttpContext http, ImageReference image, string kind, Func<HttpContext, ImageReference,
        Task<PullOutcome>> answer)
    {
        var begun = time.GetTimestamp();
        using var trace = ProxyMetrics.Traces.StartRequest("pull", http.Request);
        metrics.Begin();
        try
        {
            var outcome = await answer(http, image);
            var (status, took) = (http.Response.StatusCode, time.GetElapsedTime(begun));
            metrics.Count(image, kind, status, outcome, took);
            if (kind == "manifest" && status is 200 or 304)
                counter.Count(image, HttpMethods.IsHead(http.Request.Method), ProxyMetrics.IsHit(outcome.Source));
            if (kind != "blob" && HttpMethods.IsGet(http.Request.Method) && status == 200)
                metrics.Sent(outcome.Source, image.Host, http.Response.ContentLength ?? 0);
            trace?.SetTag("kuik.kind", kind).SetTag("kuik.image", image.ToString()).SetTag("kuik.source", outcome.Source)
                .SetTag("http.response.status_code", status);
            if (!outcome.IsPlainHit)
                Say(http.Request.Method, kind, image, status, outcome.Source, (long)took.TotalMilliseconds, outcome.Note);
        }
        catch (OperationCanceledException left) when (left is ClientDisconnectedException || http.RequestAborted.IsCancellationRequested)
        {
            metrics.Count(image, kind, StatusCodes.Status499ClientClosedRequest, new PullOutcome(PullOutcome.NoSource, ""),
                time.GetElapsedTime(begun));
        }
        catch (Exception unforeseen)
        {
            LogUnforeseen(unforeseen, http.Request.Method, kind, image);
            var outcome = new PullOutcome(PullOutcome.NoSource, "");
            metrics.Count(image, kind, StatusCodes.Status502BadGateway, outcome, time.GetElapsedTime(begun));
            await Fail(http);
        }
        finally
        {
            metrics.End();
        }
    }

    private static async Task Fail(HttpContext http)
    {
        if (http.Response.HasStarted)
        {
            http.Abort();   // a truncated body must not look complete
            return;
        }
        BeginAnew(http.Response);
        await WriteError.To(http, StatusCodes.Status502BadGateway, "UNKNOWN", "node-proxy failed on this request; its log has the cause");
    }

    [LoggerMessage(LogLevel.Error, "{Method} {Kind} {Image} failed unexpectedly")]
    private partial void LogUnforeseen(Exception unforeseen, string method, string kind, ImageReference image);

    [LoggerMessage(LogLevel.Information, "{Method} {Kind} {Image}: {Status} from {Source} in {Milliseconds} ms {Note}")]
    private partial void Say(string method, string kind, ImageReference image, int status, string source, long milliseconds, string note);
}
