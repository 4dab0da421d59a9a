using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>A server inside the cluster, asked over HTTP with a time limit and a circuit breaker.</summary>
/// <param name="name">For logs: <c>cache</c>, <c>fetcher</c>.</param>
/// <param name="address">Its address.</param>
/// <param name="firstByte">The time limit for the beginning of a response, connection included.</param>
/// <param name="means">Shared by all sources.</param>
/// <param name="credential">Sent to this server only, not to redirect targets; null: anonymous.</param>
internal sealed class SourceEndpoint(
    string name, SourceAddress address, TimeSpan firstByte, SourceDependencies means, SourceCredential? credential = null)
{
    /// <summary>Between two lines about refused credentials.</summary>
    private static readonly TimeSpan LogInterval = TimeSpan.FromMinutes(1);

    private long _loggedRefusalAt;   // UTC ticks

    /// <summary>The problem of a source without an address.</summary>
    public const string NoAddress = "it has no address";

    /// <summary>Scheme, host and port; null while there is none.</summary>
    public Uri? Endpoint => address.Current;

    /// <summary>Sends a request. One of the two results is null.</summary>
    /// <param name="ask">To the endpoint, or to a redirect target. Disposed of with the response.</param>
    /// <param name="ct">The client is gone; it does not count as a failure of the source.</param>
    public async Task<(HttpResponseMessage? Answer, string? Problem)> Ask(HttpRequestMessage ask, CancellationToken ct)
    {
        var key = ask.RequestUri!.GetLeftPart(UriPartial.Authority);
        if (!means.CircuitBreaker.MayAsk(key))
            return (null, "passed over: it did not answer a moment ago");
        var isOwn = Endpoint is { } own && key == own.GetLeftPart(UriPartial.Authority);
        if (isOwn && credential is not null)
            ask.Headers.Authorization = credential.Header;
        var asked = means.Time.GetUtcNow();
        using var tooLate = new CancellationTokenSource(firstByte, means.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, tooLate.Token);
        try
        {
            var answer = await means.Client.SendAsync(ask, either.Token);
            if (means.CircuitBreaker.Close(key))
                means.Logger.LogInformation("{Source} {Endpoint} answers again", name, key);
            return isOwn && FetcherToken.IsRefusal(answer) ? (null, Refused(answer, key)) : (answer, null);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            if (means.CircuitBreaker.Trip(key, asked))
                means.Logger.LogWarning("{Source} {Endpoint} did not answer within {Limit} s and is passed over for now", name, key,
                    firstByte.TotalSeconds);
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

    /// <summary>
    /// The server does not let node-proxy in. That says nothing of the image: the next source is asked, and no client is sent the 401.
    /// </summary>
    private string Refused(HttpResponseMessage answer, string key)
    {
        answer.Dispose();
        var now = means.Time.GetUtcNow().UtcTicks;
        var before = Interlocked.Read(ref _loggedRefusalAt);
        if (now - before >= LogInterval.Ticks && Interlocked.CompareExchange(ref _loggedRefusalAt, now, before) == before)
            means.Logger.LogWarning(
                "{Source} {Endpoint} refused: credentials (401). Check {Settings}; it is passed over in each pull", name, key,
                name == CacheSource.CacheName
                    ? $"{SourceCredentials.ReadUsernameKey} and {SourceCredentials.ReadPasswordFileKey}"
                    : FetcherToken.FileKey);
        return "it refused node-proxy's credentials";
    }

    /// <summary>The client for servers inside the cluster: no proxy, no cookies, no redirects, no decompression, no trace
    /// headers.</summary>
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
