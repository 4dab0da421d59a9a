using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;

namespace Kuik.Oci;

/// <summary>Sends the requests of a call: to the registry, with TLS or without, and to where it redirects.</summary>
internal sealed class RegistryTransport(RegistryEndpoints endpoints, RegistryConnections connections)
{
    /// <summary>
    /// The first address of a call. A host that may be plain is tried without TLS when its port does not speak it; only what then answers
    /// as a registry is remembered, and a host that has spoken TLS is not tried so: its handshake broke off.
    /// </summary>
    public async Task<(HttpResponseMessage Answer, Hop Hop)> Begin(
        RegistryCall call, AuthenticationHeaderValue? authorization, CancellationToken ct)
    {
        var host = call.Repository.Host;
        var endpoint = endpoints.Of(host);
        var hop = HopTo(endpoint, call);
        try
        {
            var answer = await SendTo(hop, call, authorization, ct);
            if (endpoint.MayBePlain)
                endpoints.SawTls(host);
            return (answer, hop);
        }
        catch (RegistryException noTls) when (endpoint.MayBePlain && IsNoTls(noTls) && !endpoints.HasSpokenTls(host))
        {
            hop = HopTo(RegistryEndpoints.PlainOf(host), call);
            return (await SendPlain(hop, call, authorization, noTls, ct), hop);
        }
    }

    private async Task<HttpResponseMessage> SendPlain(
        Hop hop, RegistryCall call, AuthenticationHeaderValue? authorization, RegistryException noTls, CancellationToken ct)
    {
        HttpResponseMessage answer;
        try
        {
            answer = await SendTo(hop, call, authorization, ct);
        }
        catch (RegistryException e) when (e.Kind == RegistryErrorKind.Unreachable)
        {
            throw noTls;
        }
        if (IsRegistrys(answer))
            endpoints.SawPlain(call.Repository.Host);
        else if (answer.StatusCode == HttpStatusCode.BadRequest)   // the usual answer to plain HTTP at a TLS port
        {
            answer.Dispose();
            throw noTls;
        }
        return answer;
    }

    private static bool IsRegistrys(HttpResponseMessage answer) =>
        answer.IsSuccessStatusCode || answer.StatusCode == HttpStatusCode.Unauthorized
        || answer.Headers.NonValidated.Contains("Docker-Distribution-Api-Version")
        || answer.Content.Headers.ContentType?.MediaType == RegistryErrors.MediaType;

    private static bool IsNoTls(RegistryException error) =>
        error.InnerException is HttpRequestException { InnerException: AuthenticationException }
            or HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError };

    public async Task<HttpResponseMessage> SendTo(
        Hop hop, RegistryCall call, AuthenticationHeaderValue? authorization, CancellationToken ct)
    {
        using var request = RegistryRequest.Create(call.Method, hop.Address);
        request.Content = call.Content?.Invoke();
        request.Headers.Authorization = authorization;
        request.Headers.Range = call.Range;
        if (call.Accept.Count > 0)
            request.Headers.TryAddWithoutValidation("Accept", string.Join(", ", call.Accept));

        try
        {
            return await connections.Send(request, hop.Origin, call.IsTransfer, call.Patience, ct);
        }
        catch (ForbiddenAddressException e)
        {
            var refused = $"a redirect to {RegistryException.Show(hop.Address)} is refused: {e.Message}";
            throw RegistryException.Unusable(call.Method, hop.From, refused, isTransient: false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or TimeoutException && !ct.IsCancellationRequested)
        {
            throw RegistryException.NoAnswer(call.Method, hop.Address, e);
        }
    }

    private static Hop HopTo(RegistryEndpoint endpoint, RegistryCall call)
    {
        var address = call.Address ?? new Uri(endpoint.Address, $"/v2/{call.Repository.Name}/{call.Path}");
        return new Hop(address, Origin: endpoint.Address, From: address);
    }
}

/// <summary>Where a call is.</summary>
/// <param name="Address">The address of the request.</param>
/// <param name="Origin">The registry of the call.</param>
/// <param name="From">The address that redirected there; the address itself before the first one.</param>
internal readonly record struct Hop(Uri Address, Uri Origin, Uri From);
