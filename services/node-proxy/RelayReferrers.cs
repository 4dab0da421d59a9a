using Kuik.Contracts;
using Kuik.Oci;
using Yarp.ReverseProxy.Forwarder;

namespace Kuik.NodeProxy;

/// <summary>
/// Answers <c>/v2/…/referrers/&lt;digest&gt;</c> with the list that followed the image into the cache, unfiltered; else with what the cache registry says, unchanged.
/// One that does not know referrers (distribution) answers 404, and clients then look for the tag <c>sha256-&lt;hex&gt;</c>, which goes the way of every manifest,
/// down to the origin.
/// </summary>
internal sealed class RelayReferrers(AskCache cache, IHttpForwarder forwarder, HttpMessageInvoker client, ProxySettings settings)
{
    private readonly ForwarderRequestConfig _limits = new() { ActivityTimeout = settings.CacheLimit };

    /// <returns>How it ended; the response is written.</returns>
    public async Task<PullOutcome> Run(HttpContext http, ImageReference image)
    {
        if (CacheTags.OfFollowers(image.Digest!) is [var listed, ..]
            && await cache.AskManifest(image.With(listed), onlyHead: false, http.RequestAborted) is Answer.Manifest { MediaType: MediaTypes.OciIndex } list)
        {
            http.Response.ContentType = list.MediaType;
            http.Response.ContentLength = list.Size;
            if (!HttpMethods.IsHead(http.Request.Method))
                await http.Response.Body.WriteAsync(list.Bytes, http.RequestAborted);
            return new PullOutcome("cache", "");
        }
        var error = await forwarder.SendAsync(http, settings.Cache.AbsoluteUri, client, _limits, new OnlyTheQuestion(image));
        if (error is ForwarderError.None)
            return new PullOutcome("cache", "");
        if (!http.Response.HasStarted)
            await WriteError.To(http, 502, "UNAVAILABLE", $"cache: {error}");
        return new PullOutcome(PullOutcome.NoSource, $"cache: {error}");
    }

    /// <summary>Path, artifact type and Accept go to the cache; no other header of the client does, credentials least of all.</summary>
    private sealed class OnlyTheQuestion(ImageReference image) : HttpTransformer
    {
        public override ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
        {
            var type = httpContext.Request.Query["artifactType"] is [{ Length: > 0 } asked, ..] ? QueryString.Create("artifactType", asked) : default;
            proxyRequest.RequestUri = new Uri(new Uri(destinationPrefix), $"/v2/{CachePath.Of(image)}/referrers/{image.Digest}{type}");
            proxyRequest.Headers.TryAddWithoutValidation("Accept", MediaTypes.OciIndex);
            return ValueTask.CompletedTask;
        }
    }
}
