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
    private readonly HttpMessageInvoker _verified;
    private readonly HttpMessageInvoker _unverified;
    private readonly RegistryTokens _tokens;

    /// <param name="endpoints">Where hosts are.</param>
    /// <param name="roots">Certificate authorities to trust beside the system's.</param>
    /// <param name="time">The clock.</param>
    public RegistryClient(RegistryEndpoints endpoints, X509Certificate2Collection roots, TimeProvider time)
    {
        (_endpoints, _time) = (endpoints, time);
        _verified = RegistryConnections.Open(roots, isVerified: true);
        _unverified = RegistryConnections.Open(roots, isVerified: false);
        _tokens = new RegistryTokens(endpoints, ConnectionsTo, time);
    }

    /// <summary>A client as <c>Kuik:InsecureRegistries</c> and <c>Kuik:RootCertificateAuthorities</c> describe it.</summary>
    /// <exception cref="WrongSetting">One of them is not accepted.</exception>
    public static RegistryClient From(IConfiguration configuration, TimeProvider time) =>
        new(RegistryEndpoints.From(configuration), ReadRoots(configuration), time);

    /// <summary>The certificates of <c>Kuik:RootCertificateAuthorities</c>, a list of PEM files.</summary>
    /// <exception cref="WrongSetting">A file cannot be read or holds no certificate.</exception>
    public static X509Certificate2Collection ReadRoots(IConfiguration configuration) => RegistryConnections.ReadRoots(configuration);

    /// <summary>How long a body may bring nothing before it counts as stalled.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Sees every call's last answer, successes and refusals alike, before its body is read; null for nobody.</summary>
    public Action<RegistryCall, HttpResponseMessage>? Answered { get; set; }

    /// <summary>
    /// Sends a call and gives a successful answer, whose body has not been read; the caller disposes of it.
    /// 1. The authorization a host that challenged before will want. 2. On a 401 the challenge is answered, once. 3. Anything but a success is an error.
    /// </summary>
    /// <exception cref="RegistryError">No answer, or none that is a success.</exception>
    public async Task<HttpResponseMessage> Send(RegistryCall call, CancellationToken stop)
    {
        // 1.
        var authorization = await _tokens.Foresee(call, stop);
        var (answer, address) = await Follow(call, authorization, stop);

        // 2.
        if (answer.StatusCode == HttpStatusCode.Unauthorized)
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

    public void Dispose()
    {
        _verified.Dispose();
        _unverified.Dispose();
    }

    /// <summary>Sends, and follows redirects of GET and HEAD; the authorization stays with the host it is for.</summary>
    private async Task<(HttpResponseMessage Answer, Uri Address)> Follow(RegistryCall call, AuthenticationHeaderValue? authorization, CancellationToken stop)
    {
        var (answer, address) = await Begin(call, authorization, stop);
        for (var redirects = 0; call.Method == HttpMethod.Get || call.Method == HttpMethod.Head; redirects++)
        {
            if ((int)answer.StatusCode is not (301 or 302 or 303 or 307 or 308) || answer.Headers.Location is not { } location)
                break;
            answer.Dispose();
            var next = new Uri(address, location);
            if (redirects == MostRedirects)
                throw RegistryError.Unusable(call.Method, address, $"more than {MostRedirects} redirects", isTransient: false);
            if (next.Scheme is not ("http" or "https") || (next.Scheme == "http" && address.Scheme == "https" && _endpoints.Of(call.Repository.Host).IsVerified))
                throw RegistryError.Unusable(call.Method, address, $"a redirect from TLS to {RegistryError.Show(next)}", isTransient: false);
            if (next.Authority != address.Authority || next.Scheme != address.Scheme)
                authorization = null;
            address = next;
            answer = await SendTo(address, call, authorization, stop);
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

    private async Task<HttpResponseMessage> SendTo(Uri address, RegistryCall call, AuthenticationHeaderValue? authorization, CancellationToken stop)
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
            return await ConnectionsTo(address).SendAsync(request, either.Token);
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

    private static Uri AddressOf(RegistryEndpoint endpoint, RegistryCall call) =>
        call.Address ?? new Uri(endpoint.Address, $"/v2/{call.Repository.Name}/{call.Path}");

    private HttpMessageInvoker ConnectionsTo(Uri address)
    {
        // A redirect's or token server's host may be listed as insecure as well.
        var host = address.IsDefaultPort ? address.Host : address.Authority;
        return _endpoints.Of(host).IsVerified ? _verified : _unverified;
    }
}
