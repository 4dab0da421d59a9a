using System.Net.Sockets;
using Kuik.Hosting;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Connections between replicas: on the cluster's own network, never through a proxy.</summary>
internal sealed class PeerConnectionHandler() : DelegatingHandler(new SocketsHttpHandler
{
    UseProxy = false,
    UseCookies = false,
    AllowAutoRedirect = false,
    ConnectTimeout = PeerConnectionHandler.ConnectLimit,
    ActivityHeadersPropagator = null,
    MaxResponseDrainSize = 0,
    SslOptions = { CertificateChainPolicy = CertificateChainPolicy.WithoutDownloads() },
})
{
    /// <summary>How long a replica may take to accept a connection: one that is gone may be silent, and TCP asks again after 1 s.</summary>
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(2);

    /// <exception cref="HttpRequestException">There is no connection, or it broke.</exception>
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await base.SendAsync(request, cancellationToken);
        }
        catch (OperationCanceledException e) when (e.InnerException is TimeoutException && !cancellationToken.IsCancellationRequested)
        {
            // Without its cause: a timeout would count as a replica that is there and silent.
            throw new HttpRequestException(HttpRequestError.ConnectionError, $"no connection within {ConnectLimit.TotalSeconds:0} s");
        }
        catch (SocketException e)
        {
            // A connection that is reset in the moment in which it is made: the handler asks it for its address outside of its own error handling.
            throw new HttpRequestException(HttpRequestError.ConnectionError, e.Message, e);
        }
    }
}
