using System.Net.Sockets;
using Kuik.Hosting;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The HTTP handler for connections between replicas: on the cluster's own network, never through a proxy.</summary>
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
    /// <summary>The time limit of a connection attempt: a replica that is gone may be silent, and TCP retries after 1 s.</summary>
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(2);

    /// <summary>Sends a request.</summary>
    /// <exception cref="HttpRequestException">There is no connection, or it broke.</exception>
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await base.SendAsync(request, cancellationToken);
        }
        catch (OperationCanceledException e) when (e.InnerException is TimeoutException && !cancellationToken.IsCancellationRequested)
        {
            // Without its inner exception: a timeout would count as a live replica that is silent.
            throw new HttpRequestException(HttpRequestError.ConnectionError, $"no connection within {ConnectLimit.TotalSeconds:0} s");
        }
        catch (SocketException e)
        {
            // The connection is reset at the moment it is made: the handler reads its address outside of its own error handling.
            throw new HttpRequestException(HttpRequestError.ConnectionError, e.Message, e);
        }
    }
}
