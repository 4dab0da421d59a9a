using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Kuik.Contracts;
using Kuik.Oci;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The endpoints that node-proxy asks on a cache miss: the distribution's API, for paths of the cache. Where there is no answer within a
/// second the status is 202 with <c>Kuik-Working: 1</c>, and node-proxy asks again: the work goes on and is joined. What an origin said is
/// final.
/// </summary>
public static partial class PullThrough
{
    /// <summary>On a 202: there is no answer yet, ask again.</summary>
    public const string WorkingHeader = "Kuik-Working";

    /// <summary>On a HEAD of a tag: what does it name at its origin now? The value is how old the answer may be, in seconds.</summary>
    public const string FreshHeader = "Kuik-Fresh";

    /// <summary>On a 503: this replica is stopping, and another one is to be asked.</summary>
    public const string DrainingHeader = "Kuik-Draining";

    internal static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(1);

    /// <summary>Answers <c>/v2/…</c> for node-proxy, and the other replicas' questions.</summary>
    public static void MapPullThrough(this WebApplication routes)
    {
        var engine = routes.Services.GetRequiredService<Engine>();
        routes.Use(engine.Authentication.Invoke);
        engine.Ask.Map(routes, engine.BlobCopier, engine.ManifestFetcher);
        engine.PeerSpools.Map(routes, engine.BlobCopier);
        engine.Replicas.Map(routes);
        routes.MapMethods("/v2/", [HttpMethods.Get, HttpMethods.Head], () => Results.Text("{}", RegistryErrors.MediaType));
        routes.MapMethods("/v2/{**path}", [HttpMethods.Get, HttpMethods.Head],
            (string path, HttpContext http) => Answer(engine, path, http));
    }

    private static async Task Answer(Engine engine, string path, HttpContext http)
    {
        if (Paths().Match(path) is not { Success: true } match)
        {
            await Refuse(http, HttpStatusCode.NotFound, "UNSUPPORTED", "image-fetcher serves manifests and blobs only", null);
            return;
        }
        var (kind, target) = (match.Groups["kind"].Value, match.Groups["target"].Value);
        // A blob is named like an image of its repository, by its digest: the path says no more of whose it is.
        if (!CachePath.TryRead(match.Groups["repository"].Value, target, out var image, out var problem)
            || (kind == "blobs" && image.Digest is null))
        {
            await (problem is null
                ? Refuse(http, HttpStatusCode.BadRequest, "DIGEST_INVALID", $"\"{target}\" is not a digest", null)
                : Refuse(http, HttpStatusCode.BadRequest, "NAME_INVALID", problem, null));
            return;
        }

        using var request = engine.Drain.Begin(http);
        try
        {
            engine.OriginRules.ThrowIfDenied(image);   // cached or not, as node-proxy does
            await (kind == "blobs" ? AnswerBlob(engine, image, target, http) : AnswerManifest(engine, image, http));
        }
        catch (CopyException e) when (!http.Response.HasStarted)
        {
            var (status, code) = StatusOf(e, kind);
            await (e.Kind == CopyException.Stopping ? RefuseDraining(http) : Refuse(http, status, code, e.Message, e.RetryAfter));
        }
        catch (CopyException)
        {
            http.Abort();   // a broken transfer must not look like a whole one
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The client left.
        }
        catch (Exception unforeseen)
        {
            engine.PullFailures.Record(unforeseen, http.Request.Method, kind, image);
            if (http.Response.HasStarted)
                http.Abort();
            else
                await Refuse(http, HttpStatusCode.BadGateway, "UNKNOWN", "image-fetcher failed; its log has the cause", null);
        }
    }

    /// <summary>
    /// 1. A replica that has the blob serves it, whichever one owns it. 2. The owner is asked, unless a replica asks here: it is never
    /// passed on twice. 3. This replica gets it.
    /// </summary>
    private static async Task AnswerBlob(Engine engine, ImageReference image, string digest, HttpContext http)
    {
        if (engine.Owners.IsFromSelf(http.Request))
            http.Response.StatusCode = StatusCodes.Status421MisdirectedRequest;
        else if (await engine.BlobPullEndpoint.TryFromSpool(http, image, digest)
            || (!IsFromPeer(http) && await engine.Forward.TryForward(http, digest)))
            return;
        else if (engine.Owners.IsDraining)
            await RefuseDraining(http);
        else
            await engine.BlobPullEndpoint.Serve(http, image, digest);
    }

    /// <summary>The same for a manifest. All of a repository have one owner: it knows which digest belongs to which tag and
    /// index.</summary>
    private static async Task AnswerManifest(Engine engine, ImageReference image, HttpContext http)
    {
        var age = TagRevalidator.AgeAsked(http.Request, image);
        if (engine.Owners.IsFromSelf(http.Request))
            http.Response.StatusCode = StatusCodes.Status421MisdirectedRequest;
        else if (!IsFromPeer(http) && await engine.Forward.TryForward(http, image.Name))
            return;
        else if (engine.Owners.IsDraining && !engine.ManifestFetcher.IsUnderWay(image))
            await RefuseDraining(http);
        else if (age is { } seconds)
            await engine.TagRevalidator.Revalidate(http, image, seconds);
        else
            await engine.ManifestPullEndpoint.Serve(http, image);
    }

    private static bool IsFromPeer(HttpContext http) => http.Request.Headers.ContainsKey(RendezvousRing.FromHeader);

    private static Task RefuseDraining(HttpContext http)
    {
        http.Response.Headers[DrainingHeader] = "1";
        return Refuse(http, HttpStatusCode.ServiceUnavailable, "UNAVAILABLE", "this replica of image-fetcher is stopping: ask again",
            TimeSpan.FromSeconds(1));
    }

    /// <summary>Waits for a moment; false when the work is not done by then, and 202 has been answered.</summary>
    internal static async Task<bool> IsDoneAtOnce(HttpContext http, Task work, TimeProvider time)
    {
        await work.WaitAsync(AtOnce, time, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        http.RequestAborted.ThrowIfCancellationRequested();
        if (work.IsCompleted)   // perhaps only just
        {
            await work;
            return true;
        }
        AnswerWorking(http);
        return false;
    }

    /// <summary>Answers 202: ask again.</summary>
    internal static void AnswerWorking(HttpContext http)
    {
        http.Response.StatusCode = StatusCodes.Status202Accepted;
        http.Response.Headers[WorkingHeader] = "1";
        http.Response.Headers.RetryAfter = "0";
        http.Response.ContentLength = 0;
    }

    internal static (HttpStatusCode Status, string Code) StatusOf(CopyException e, string kind) => e.Kind switch
    {
        CopyException.Gone => (HttpStatusCode.NotFound, kind == "blobs" ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN"),
        CopyException.Refused when e.Status == HttpStatusCode.Forbidden => (HttpStatusCode.Forbidden, "DENIED"),
        CopyException.Refused => (HttpStatusCode.Unauthorized, "UNAUTHORIZED"),
        CopyException.RateLimited => (HttpStatusCode.TooManyRequests, "TOOMANYREQUESTS"),
        CopyException.Unreachable => (HttpStatusCode.GatewayTimeout, "UNKNOWN"),
        CopyException.Cache or CopyException.Stopping => (HttpStatusCode.ServiceUnavailable, "UNKNOWN"),
        _ => (HttpStatusCode.BadGateway, "UNKNOWN"),
    };

    private static async Task Refuse(HttpContext http, HttpStatusCode status, string code, string message, TimeSpan? retryAfter)
    {
        var isDraining = http.Response.Headers.ContainsKey(DrainingHeader);
        http.Response.Clear();
        if (isDraining)
            http.Response.Headers[DrainingHeader] = "1";
        http.Response.StatusCode = (int)status;
        http.Response.ContentType = RegistryErrors.MediaType;
        if (retryAfter is { } wait)
            http.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        var body = RegistryErrors.Body(code, message);
        if (HttpMethods.IsHead(http.Request.Method))
            http.Response.ContentLength = System.Text.Encoding.UTF8.GetByteCount(body);
        else
            await http.Response.WriteAsync(body, http.RequestAborted);
    }

    [GeneratedRegex(@"\A(?<repository>.+)/(?<kind>manifests|blobs)/(?<target>[^/]+)\z")]
    private static partial Regex Paths();
}
