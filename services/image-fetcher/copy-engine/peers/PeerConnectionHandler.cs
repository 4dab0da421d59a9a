using System.Net.Sockets;
using Kuik.Hosting;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Connections between replicas: on the cluster's own network, never through a proxy.</summary>
internal sealed class PeerConnectionHandler() : DelegatingHandler(new SocketsHttpHandler
{
    UseProxy = false,
    UseCookies = false,
    AllowAutoRedirect = false,
    ConnectTimeout = RendezvousRing.Silence,
    ActivityHeadersPropagator = null,
    MaxResponseDrainSize = 0,
    SslOptions = { CertificateChainPolicy = CertificateChainPolicy.WithoutDownloads() },
})
{
    /// <exception cref="HttpRequestException">There is no connection, or it broke.</exception>
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await base.SendAsync(request, cancellationToken);
        }
        catch (SocketException e)
        {
            // A connection that is reset in the moment in which it is made: the handler asks it for its address outside of its own error handling.
            throw new HttpRequestException(HttpRequestError.ConnectionError, e.Message, e);
        }
    }
}
