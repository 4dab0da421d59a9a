using System.Net.Http.Headers;
using Kuik.Hosting;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Sends the token of <see cref="FetcherToken.FileKey"/> to other replicas. One that refuses it counts as unreachable, so that the next
/// replica, or this one, does the work: its 401 must not reach a client as the origin's.
/// </summary>
/// <param name="token">Null: none is sent.</param>
internal sealed class PeerTokenHandler(SecretFile? token) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue(FetcherToken.Scheme, token.ToSend);
        var answer = await base.SendAsync(request, cancellationToken);
        if (!FetcherToken.IsRefusal(answer))
            return answer;
        answer.Dispose();
        throw new HttpRequestException(
            $"{request.RequestUri!.Authority} refused this replica: {FetcherToken.FileKey} "
            + (token is null ? "is not set here" : "has another token there"));
    }
}
