using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>What every upstream is asked with.</summary>
/// <param name="Client">Follows nothing, remembers nothing, sends no credentials.</param>
/// <param name="Breaker">An upstream's key in it is its endpoint.</param>
/// <param name="Time">The clock.</param>
/// <param name="Logger">Is told when an upstream stops and starts answering.</param>
internal sealed record AskingMeans(HttpMessageInvoker Client, Breaker Breaker, TimeProvider Time, ILogger<Upstream> Logger);

/// <summary>One server inside the cluster that is asked over HTTP, within limits and behind the means.Breaker.</summary>
/// <param name="name">For logs: <c>cache</c>, <c>fetcher</c>.</param>
/// <param name="endpoint">Without a path.</param>
/// <param name="firstByte">How long an answer may take to begin, connection included.</param>
/// <param name="means">Shared by all upstreams.</param>
internal sealed class Upstream(string name, Uri endpoint, TimeSpan firstByte, AskingMeans means)
{
    private readonly string _key = endpoint.GetLeftPart(UriPartial.Authority);

    public Uri Endpoint => endpoint;

    /// <summary>Asks. One of the two results is null.</summary>
    /// <param name="ask">Disposed with the answer.</param>
    /// <param name="stop">The client is gone; it is not counted against the upstream.</param>
    public async Task<(HttpResponseMessage? Answer, string? Problem)> Ask(HttpRequestMessage ask, CancellationToken stop)
    {
        if (!means.Breaker.MayAsk(_key))
            return (null, "passed over: it did not answer a moment ago");
        using var tooLate = new CancellationTokenSource(firstByte, means.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, tooLate.Token);
        try
        {
            var answer = await means.Client.SendAsync(ask, either.Token);
            if (means.Breaker.Close(_key))
                means.Logger.LogInformation("{Upstream} {Endpoint} answers again", name, _key);
            return (answer, null);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            if (means.Breaker.Trip(_key))
                means.Logger.LogWarning("{Upstream} {Endpoint} did not answer within {Limit} s and is passed over for now", name, _key, firstByte.TotalSeconds);
            return (null, "it did not answer in time");
        }
        catch (HttpRequestException refused)
        {
            return (null, refused.InnerException switch
            {
                SocketException socket => $"unreachable ({socket.SocketErrorCode})",
                AuthenticationException untrusted => $"unreachable ({untrusted.Message})",
                _ => $"unreachable ({refused.HttpRequestError})",
            });
        }
    }

    /// <summary>The client for servers inside the cluster: no proxy, no cookies, no redirects, no decompression, no trace headers.</summary>
    /// <param name="connectLimit">How long a connection may take.</param>
    /// <param name="roots">Authorities to trust beside the system's.</param>
    public static HttpMessageInvoker MakeClient(TimeSpan connectLimit, X509Certificate2Collection roots) => new(new SocketsHttpHandler
    {
        SslOptions = TrustedCertificates.ClientOptions(roots),
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        ActivityHeadersPropagator = null,
        ConnectTimeout = connectLimit,
        ConnectCallback = AddressResolver.Connect,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),   // an endpoint named by DNS may move
    }.WithHandshakesOnPool());
}
