using System.Net;
using System.Security.Cryptography.X509Certificates;
using Kuik.Hosting;
using Microsoft.Extensions.Configuration;

namespace Kuik.Oci;

/// <summary>
/// A client of OCI registries (distribution-spec): finds the host, answers challenges, follows redirects without carrying
/// credentials to another host, and turns every failure into a <see cref="RegistryException"/>. One for a whole process: it
/// pools connections and keeps tokens.
/// </summary>
public sealed class RegistryClient : IDisposable
{
    private const int MostRedirects = 5;

    /// <summary>How long a body may take that is kept in memory: 4 MiB at 35 kB a second.</summary>
    internal static readonly TimeSpan WholeLimit = TimeSpan.FromMinutes(2);

    private readonly RegistryEndpoints _endpoints;
    private readonly TimeProvider _time;
    private readonly RegistryConnections _connections;
    private readonly RegistryTransport _transport;
    private readonly ExpiringCache<string, bool> _hangsOnHead;
    private readonly RegistryAuthenticator _authenticator;

    /// <param name="endpoints">Where hosts are.</param>
    /// <param name="roots">Certificate authorities to trust beside the system's.</param>
    /// <param name="time">The clock.</param>
    /// <param name="network">Proxies, private addresses and origin rules; null for no proxy and no private address allowed.</param>
    public RegistryClient(RegistryEndpoints endpoints, X509Certificate2Collection roots, TimeProvider time, RegistryNetwork? network = null)
    {
        (_endpoints, _time) = (endpoints, time);
        endpoints.Time = time;
        _connections = new RegistryConnections(endpoints, roots, network ?? new RegistryNetwork(), time);
        _transport = new RegistryTransport(endpoints, _connections);
        _authenticator = new RegistryAuthenticator(endpoints, _connections, time);
        _hangsOnHead = new ExpiringCache<string, bool>(1024, TimeSpan.FromMinutes(5), time);
    }

    /// <summary>
    /// A client of origins as <c>Kuik:InsecureRegistries</c>, <c>Kuik:RootCertificateAuthorities</c>, <c>Kuik:AllowedPrivateAddresses</c>
    /// and the environment's proxy variables describe it.
    /// </summary>
    /// <param name="configuration">Read here, at once.</param>
    /// <param name="time">The clock.</param>
    /// <param name="denied">See <see cref="RegistryNetwork.Denied"/>; null: all may be asked.</param>
    /// <exception cref="InvalidSettingException">One of them is not accepted.</exception>
    public static RegistryClient From(IConfiguration configuration, TimeProvider time, Func<Uri, string?>? denied = null) =>
        new(RegistryEndpoints.From(configuration), TrustedCertificates.From(configuration), time,
            RegistryNetwork.From(configuration) with { Denied = denied ?? (_ => null) });

    /// <summary>How long a body may bring nothing before it counts as stalled.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>True when a host did not answer a HEAD a short while ago: the next one would only cost its time limit again.</summary>
    internal bool HangsOnHead(string host) => _hangsOnHead.TryGet(host, out _);

    /// <summary>Notes that a host did not answer a HEAD.</summary>
    internal void SawHangOnHead(string host) => _hangsOnHead.Set(host, true);

    /// <summary>Called with status and headers of every call's last response, successes and refusals alike; null for none.</summary>
    public Action<RegistryCall, HttpResponseMessage>? Answered { get; set; }

    /// <summary>
    /// Sends a call and returns a successful response with an unread body; the caller disposes of it. 1. Redirects of GET and HEAD are
    /// followed. 2. Challenges are answered by <see cref="CallAuthorization"/>. 3. Any other status is an error.
    /// </summary>
    /// <exception cref="RegistryException">No answer, or none that is a success.</exception>
    public async Task<HttpResponseMessage> Send(RegistryCall call, CancellationToken ct)
    {
        var authorization = await _authenticator.Begin(call, ct);
        var (answer, hop) = await _transport.Begin(call, authorization.Header, ct);
        RegistryException? beforePing = null;
        for (var redirects = 0; ;)
        {
            // 1.
            if (call.IsRead && UriReference.LocationOf(answer) is { } location)
            {
                answer.Dispose();
                var next = Next(call, hop.Address, location, redirects++);
                authorization.Move(hop.Address, next);
                hop = hop with { Address = next, From = hop.Address };
            }

            // 2.
            else if (answer.IsSuccessStatusCode)
            {
                authorization.Accept();
                return Accept(call, hop.Address, answer);
            }
            else
            {
                // The error is read first: that leaves the connection to the token server, which may be at the same place.
                var error = await ReadError(call, hop.Address, answer, ct);
                if (!await authorization.Improve(answer, ct))
                    throw Refuse(call, answer, error, authorization, beforePing);   // 3.
                beforePing ??= authorization.IsFromPing ? error : null;
            }
            answer = await _transport.SendTo(hop, call, authorization.Header, ct);
        }
    }

    /// <summary>The address of a host: scheme, name and port.</summary>
    internal Uri AddressOf(string host) => _endpoints.Of(host).Address;

    /// <summary>The body of an answer; disposing of it disposes of the answer.</summary>
    public async Task<Stream> ReadBody(HttpResponseMessage answer, CancellationToken ct)
    {
        try
        {
            return new RegistryBody(await answer.Content.ReadAsStreamAsync(ct), answer, answer.RequestMessage!.RequestUri!, Stall, _time);
        }
        catch
        {
            answer.Dispose();   // it holds a connection
            throw;
        }
    }

    /// <summary>The body of an answer that is kept in memory (a manifest, a list), which is disposed of.</summary>
    /// <param name="answer">A success.</param>
    /// <param name="most">Bytes.</param>
    /// <param name="ct">Ends the reading.</param>
    /// <returns>Null when it has more than that.</returns>
    /// <exception cref="RegistryException">It stalled, broke off, or was not complete within <see cref="WholeLimit"/>.</exception>
    public async Task<byte[]?> ReadWhole(HttpResponseMessage answer, int most, CancellationToken ct)
    {
        await using var body = await ReadBody(answer, ct);
        using var deadline = new CancellationTokenSource(WholeLimit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, ct);
        try
        {
            return await RegistryBody.ReadAtMost(body, most, either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            var request = answer.RequestMessage!;
            var late = new TimeoutException($"the body was not complete after {WholeLimit.TotalSeconds:0} s");
            throw RegistryException.NoAnswer(request.Method, request.RequestUri!, late);
        }
    }

    /// <summary>True for a registry on a private network, as far as known from requests to it.</summary>
    /// <param name="host">As references name it.</param>
    public bool IsOnPrivateNetwork(string host) => _connections.IsPrivate(_endpoints.Of(host).Address);

    public void Dispose() => _connections.Dispose();

    private async Task<RegistryException> ReadError(RegistryCall call, Uri address, HttpResponseMessage answer, CancellationToken ct)
    {
        using (answer)
        {
            ContentCoding.Decode(call.Method, address, answer);
            return await RegistryException.From(call.Method, address, answer, _time, ct);
        }
    }

    private HttpResponseMessage Accept(RegistryCall call, Uri address, HttpResponseMessage answer)
    {
        Answered?.Invoke(call, answer);
        try
        {
            ContentCoding.Decode(call.Method, address, answer);
            return answer;
        }
        catch (RegistryException)
        {
            answer.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The error of a call. A token server's where it kept a challenge from being answered; where <c>/v2/</c> was asked in vain, that of
    /// the answer before: a registry's 404 is not made a 401 by a token that does not help.
    /// </summary>
    private RegistryException Refuse(
        RegistryCall call, HttpResponseMessage answer, RegistryException error, CallAuthorization authorization,
        RegistryException? beforePing)
    {
        Answered?.Invoke(call, answer);
        if (authorization.Failure is { } atTokenServer)
            return atTokenServer;
        if (answer.StatusCode == HttpStatusCode.TooManyRequests)
            authorization.Accept();   // it was let in, and the next one is not to come as anonymous, whose limit may be another
        return error.Kind is RegistryErrorKind.Gone or RegistryErrorKind.Refused ? beforePing ?? error : error;
    }

    private Uri Next(RegistryCall call, Uri address, string location, int redirects)
    {
        if (redirects == MostRedirects)
            throw RegistryException.Unusable(call.Method, address, $"more than {MostRedirects} redirects", isTransient: false);
        try
        {
            var next = UriReference.Resolve(address, location);
            var mayBePlain = address.Scheme == "http" || !_endpoints.Of(call.Repository.Host).IsVerified;
            return next.Scheme == "https" || (next.Scheme == "http" && mayBePlain) ? next
                : throw RegistryException.Unusable(call.Method, address,
                    $"a redirect from TLS to {RegistryException.Show(next)} is refused", isTransient: false);
        }
        catch (UriFormatException e)
        {
            throw RegistryException.Unusable(call.Method, address, $"a redirect that cannot be followed: of its address, {e.Message}",
                isTransient: false);
        }
    }
}
