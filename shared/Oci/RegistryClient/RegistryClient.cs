using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Kuik.Hosting;
using Microsoft.Extensions.Configuration;

namespace Kuik.Oci;

/// <summary>
/// A client of OCI registries (distribution-spec): finds the host, answers challenges, follows redirects without carrying credentials to another
/// host, and turns whatever goes wrong into a <see cref="RegistryError"/>. One for a whole process: it pools connections and keeps tokens.
/// </summary>
public sealed class RegistryClient : IDisposable
{
    private const int MostRedirects = 5;

    private readonly RegistryEndpoints _endpoints;
    private readonly TimeProvider _time;
    private readonly RegistryConnections _connections;
    private readonly RegistryTokens _tokens;

    /// <param name="endpoints">Where hosts are.</param>
    /// <param name="roots">Certificate authorities to trust beside the system's.</param>
    /// <param name="time">The clock.</param>
    /// <param name="network">What lies between; null for no proxy and no private address allowed.</param>
    public RegistryClient(RegistryEndpoints endpoints, X509Certificate2Collection roots, TimeProvider time, RegistryNetwork? network = null)
    {
        (_endpoints, _time) = (endpoints, time);
        _connections = new RegistryConnections(endpoints, roots, network ?? new RegistryNetwork());
        _tokens = new RegistryTokens(endpoints, _connections, time);
    }

    /// <summary>
    /// A client of origins as <c>Kuik:InsecureRegistries</c>, <c>Kuik:RootCertificateAuthorities</c>, <c>Kuik:AllowedPrivateAddresses</c> and the
    /// environment's proxy variables describe it.
    /// </summary>
    /// <param name="configuration">Read here, at once.</param>
    /// <param name="time">The clock.</param>
    /// <param name="denied">See <see cref="RegistryNetwork.Denied"/>; null: all may be asked.</param>
    /// <exception cref="WrongSetting">One of them is not accepted.</exception>
    public static RegistryClient From(IConfiguration configuration, TimeProvider time, Func<Uri, string?>? denied = null) =>
        new(RegistryEndpoints.From(configuration), TrustedCertificates.Read(configuration), time, RegistryNetwork.From(configuration) with { Denied = denied ?? (_ => null) });

    /// <summary>How long a body may bring nothing before it counts as stalled.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Sees every call's last answer, successes and refusals alike, before its body is read; null for nobody.</summary>
    public Action<RegistryCall, HttpResponseMessage>? Answered { get; set; }

    /// <summary>
    /// Sends a call and gives a successful answer, whose body has not been read; the caller disposes of it.
    /// 1. The authorization a host that challenged before will want. 2. On a 401 of the registry itself the challenge is answered, once: another host that we
    /// were redirected to has no say in where credentials go. 3. Anything but a success is an error.
    /// </summary>
    /// <exception cref="RegistryError">No answer, or none that is a success.</exception>
    public async Task<HttpResponseMessage> Send(RegistryCall call, CancellationToken stop)
    {
        // 1.
        var authorization = await _tokens.Foresee(call, stop);
        var (answer, address) = await Follow(call, authorization, stop);

        // 2.
        if (answer.StatusCode == HttpStatusCode.Unauthorized && address.IsAt(OriginOf(call)))
        {
            var refusal = await RegistryError.Of(call.Method, address, answer, _time.GetUtcNow(), stop);
            var challenges = answer.Headers.NonValidated.TryGetValues("WWW-Authenticate", out var headers) ? headers.SelectMany(Challenge.Parse).ToList() : [];
            answer.Dispose();
            authorization = await _tokens.Answer(challenges, call, authorization, stop) ?? throw refusal;
            (answer, address) = await Follow(call, authorization, stop);
        }

        // 3.
        Answered?.Invoke(call, answer);
        if (answer.IsSuccessStatusCode)
            return answer;
        using (answer)
            throw await RegistryError.Of(call.Method, address, answer, _time.GetUtcNow(), stop);
    }

    /// <summary>The body of an answer; disposing of it disposes of the answer.</summary>
    public async Task<Stream> ReadBody(HttpResponseMessage answer, CancellationToken stop) =>
        new RegistryBody(await answer.Content.ReadAsStreamAsync(stop), answer, answer.RequestMessage!.RequestUri!, Stall, _time);

    /// <summary>Is a registry on a private network, as far as is known from asking it?</summary>
    /// <param name="host">As references name it.</param>
    public bool IsOnPrivateNetwork(string host) => _connections.IsPrivate(_endpoints.Of(host).Address);

    public void Dispose() => _connections.Dispose();

    /// <summary>Sends, and follows redirects of GET and HEAD; the authorization stays with the host it is for.</summary>
    private async Task<(HttpResponseMessage Answer, Uri Address)> Follow(RegistryCall call, AuthenticationHeaderValue? authorization, CancellationToken stop)
    {
        var (answer, address) = await Begin(call, authorization, stop);
        for (var redirects = 0; call.Method == HttpMethod.Get || call.Method == HttpMethod.Head; redirects++)
        {
            if ((int)answer.StatusCode is not (301 or 302 or 303 or 307 or 308) || answer.Headers.Location is not { } location)
                break;
            answer.Dispose();
            if (redirects == MostRedirects)
                throw RegistryError.Unusable(call.Method, address, $"more than {MostRedirects} redirects", isTransient: false);
            if (!Uri.TryCreate(address, location, out var next))
                throw RegistryError.Unusable(call.Method, address, "a redirect to no address", isTransient: false);
            if (next.Scheme is not ("http" or "https") || (next.Scheme == "http" && address.Scheme == "https" && _endpoints.Of(call.Repository.Host).IsVerified))
                throw RegistryError.Unusable(call.Method, address, $"a redirect from TLS to {RegistryError.Show(next)} is refused", isTransient: false);
            if (!next.IsAt(address))
                authorization = null;
            answer = await SendTo(next, call, authorization, stop, from: address);
            address = next;
        }
        return (answer, address);
    }

    /// <summary>The first address of a call; a host that may be plain is tried without TLS when its port does not speak it.</summary>
    private async Task<(HttpResponseMessage Answer, Uri Address)> Begin(RegistryCall call, AuthenticationHeaderValue? authorization, CancellationToken stop)
    {
        var endpoint = _endpoints.Of(call.Repository.Host);
        try
        {
            var address = AddressOf(endpoint, call);
            return (await SendTo(address, call, authorization, stop), address);
        }
        catch (RegistryError e) when (endpoint.MayBePlain && e.InnerException is HttpRequestException { InnerException: AuthenticationException } or HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError })
        {
            var address = AddressOf(_endpoints.NowPlain(call.Repository.Host), call);
            return (await SendTo(address, call, authorization, stop), address);
        }
    }

    private async Task<HttpResponseMessage> SendTo(Uri address, RegistryCall call, AuthenticationHeaderValue? authorization, CancellationToken stop, Uri? from = null)
    {
        using var request = new HttpRequestMessage(call.Method, address) { Content = call.Content?.Invoke() };
        request.Headers.Authorization = authorization;
        request.Headers.Range = call.Range;
        request.Headers.TryAddWithoutValidation("User-Agent", "kuik");
        if (call.Accept.Count > 0)
            request.Headers.TryAddWithoutValidation("Accept", string.Join(", ", call.Accept));

        using var deadline = new CancellationTokenSource(call.Patience, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, stop);
        try
        {
            return await _connections.Send(request, OriginOf(call), either.Token);
        }
        catch (ForbiddenAddress e)
        {
            throw RegistryError.Unusable(call.Method, from ?? address, $"a redirect to {RegistryError.Show(address)} is refused: {e.Message}", isTransient: false);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw RegistryError.NoAnswer(call.Method, address, new TimeoutException($"no answer within {call.Patience.TotalSeconds:0} s"));
        }
        catch (Exception e) when (e is HttpRequestException or IOException && !stop.IsCancellationRequested)
        {
            throw RegistryError.NoAnswer(call.Method, address, e);
        }
    }

    private Uri OriginOf(RegistryCall call) => AddressOf(_endpoints.Of(call.Repository.Host), call);

    private static Uri AddressOf(RegistryEndpoint endpoint, RegistryCall call) =>
        call.Address ?? new Uri(endpoint.Address, $"/v2/{call.Repository.Name}/{call.Path}");
}
