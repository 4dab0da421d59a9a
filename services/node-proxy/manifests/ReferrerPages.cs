using Kuik.Contracts;
using Yarp.ReverseProxy.Forwarder;

namespace Kuik.NodeProxy;

/// <summary>
/// Relays a list of referrers that the cache registry pages itself (distribution-spec, "Listing Referrers"; distribution has no such API,
/// others have). One page a request, with the client's query and the registry's Link.
/// </summary>
internal sealed class ReferrerPages(SourceAddresses addresses, IHttpForwarder forwarder, HttpMessageInvoker client, ProxyOptions options)
{
    private readonly ForwarderRequestConfig _limits = new() { ActivityTimeout = options.CacheLimit };

    /// <returns>The outcome of the pull; the response is written.</returns>
    public async Task<PullOutcome> Relay(HttpContext http, ImageReference image)
    {
        if (addresses.Cache.Current is not { } cache)
            return await Refuse(http, SourceEndpoint.NoAddress);
        var error = await forwarder.SendAsync(http, cache.AbsoluteUri, client, _limits, new PageRequest(image));
        return error is ForwarderError.None ? new PullOutcome(CacheSource.CacheName, "") : await Refuse(http, error.ToString());
    }

    private static async Task<PullOutcome> Refuse(HttpContext http, string why)
    {
        if (!http.Response.HasStarted)
            await WriteError.To(http, 502, "UNAVAILABLE", $"cache: {why}");
        return new PullOutcome(PullOutcome.NoSource, $"cache: {why}");
    }

    /// <summary>Path, query and Accept go to the cache; no other header of the client does, credentials least of all.</summary>
    private sealed class PageRequest(ImageReference image) : HttpTransformer
    {
        public override ValueTask TransformRequestAsync(
            HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
        {
            var query = QueryString.Create(httpContext.Request.Query.Where(field => field.Key != "ns"));
            proxyRequest.RequestUri = new Uri(new Uri(destinationPrefix), $"/v2/{CachePath.Of(image)}/referrers/{image.Digest}{query}");
            proxyRequest.Headers.TryAddWithoutValidation("Accept", Oci.MediaTypes.OciIndex);
            return ValueTask.CompletedTask;
        }
    }
}
