using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Kuik.Oci;

/// <summary>
/// The pooled connections to registries: no cookies, no redirects by themselves, no decompression (bytes are verified as they are stored).
/// A connection is checked once, when it is made; so that no request rides on one it might not have made itself, there is a pool for each
/// way to be checked.
/// </summary>
internal sealed class RegistryConnections(
    RegistryEndpoints endpoints, X509Certificate2Collection roots, RegistryNetwork network, TimeProvider time) : IDisposable
{
    private readonly ConnectionLimiter _transfers = new("body", network.MaxTransfers);
    private readonly ConnectionLimiter _questions = new("question", network.MaxQuestions);

    /// <summary>How long a connection may take: the name, TCP and TLS.</summary>
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(15);

    /// <summary>
    /// Bytes that are read of an abandoned answer, so that its connection can be reused. The default, 1 MiB for
    /// 2 s, would have an origin send what another replica asks for at that moment.
    /// </summary>
    private const int LongestDrain = 16 * 1024;

    private readonly ConcurrentDictionary<Way, Lazy<HttpMessageInvoker>> _pools = new();

    // Per host and port of a registry: the most public address that it was found at. Noted before anything can be answered from there.
    private readonly ConcurrentDictionary<string, AddressKind> _origins = new(StringComparer.OrdinalIgnoreCase);

    // Hosts and ports of registries with an address that is not public, whether it answers or not. Names come from requests, so their
    // number is bounded.
    private const int MostPrivate = 4096;
    private readonly ConcurrentDictionary<string, bool> _private = new(StringComparer.OrdinalIgnoreCase);

    // Per host and port: until when it is not tried again, because it accepted no connection. Filled for our own network only.
    private readonly ConcurrentDictionary<string, DateTimeOffset> _silent = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Sends a request, once there is a connection for it.</summary>
    /// <param name="request">The request with its address.</param>
    /// <param name="origin">The address of the registry on whose behalf it is sent; its redirect rules apply
    /// only if that is elsewhere.</param>
    /// <param name="isTransfer">A blob comes or goes: such requests last, and those for small answers do not wait for them.</param>
    /// <param name="patience">How long the head of the answer may take, from then on.</param>
    /// <param name="ct">Ends it, and alone ends the waiting for a connection.</param>
    /// <returns>The answer, which has to be disposed of: until then it holds its connection.</returns>
    /// <exception cref="ForbiddenAddressException">The registry may not redirect there, or no registry may.</exception>
    /// <exception cref="RegistryException">The registry itself is at an address that may not be asked.</exception>
    /// <exception cref="TimeoutException">No answer in time.</exception>
    public async Task<HttpResponseMessage> Send(
        HttpRequestMessage request, Uri origin, bool isTransfer, TimeSpan patience, CancellationToken ct)
    {
        if (network.Denied(request.RequestUri!) is { } denied)
            throw new ForbiddenAddressException(denied);
        var lease = await (isTransfer ? _transfers : _questions).Acquire(request.RequestUri!, ct);
        try
        {
            var answer = await SendNow(request, WayTo(request.RequestUri!, origin), patience, ct);
            if (request.Method == HttpMethod.Head)
                lease.Dispose();
            else
                answer.Content = new LeasedContent(answer.Content, lease);
            return answer;
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    private async Task<HttpResponseMessage> SendNow(HttpRequestMessage request, Way way, TimeSpan patience, CancellationToken ct)
    {
        using var deadline = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, ct);
        try
        {
            return await _pools.GetOrAdd(way, w => new Lazy<HttpMessageInvoker>(() => Open(w))).Value.SendAsync(request, either.Token);
        }
        catch (HttpRequestException e) when (e.InnerException is ForbiddenAddressException forbidden)
        {
            throw forbidden;
        }
        catch (HttpRequestException e) when (e.InnerException is RegistryException refused)
        {
            throw refused;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new TimeoutException(deadline.IsCancellationRequested
                ? $"no answer within {patience.TotalSeconds:0} s"
                : $"no connection within {ConnectLimit.TotalSeconds:0} s");
        }
    }

    public void Dispose()
    {
        foreach (var pool in _pools.Values)
            pool.Value.Dispose();
    }

    private Way WayTo(Uri address, Uri origin)
    {
        // The host of a redirect or a token server may be listed as insecure as well.
        var isVerified = endpoints.Of(RegistryEndpoints.HostOf(address)).IsVerified;
        var isProxied = network.Proxies.GetProxy(address) is not null;
        if (network.Redirects is null)
            return new Way(isVerified, isProxied, null);
        if (address.IsAt(origin))
            return network.Redirects.ObjectionToOrigin(address.IdnHost, isListed: !isVerified) is { } refusal
                ? throw Refused(address.Authority, refusal)
                : new Way(isVerified, isProxied, null);

        var kind = KindOf(origin);
        if (network.Redirects.Objection(address.IdnHost, kind) is { } objection)
            throw new ForbiddenAddressException(objection);
        return new Way(isVerified, isProxied, isProxied ? null : kind);
    }

    /// <summary>Behind a proxy the address of a name is unknown: a host that is reached by name counts as public.</summary>
    private AddressKind KindOf(Uri origin) =>
        _origins.TryGetValue(KeyOf(origin.IdnHost, origin.Port), out var kind) ? kind
        : IPAddress.TryParse(origin.IdnHost, out var literal) ? AddressKinds.Classify(literal)
        : AddressKind.Public;

    private HttpMessageInvoker Open(Way way) => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None,
        ActivityHeadersPropagator = null,
        ConnectTimeout = ConnectLimit,
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(90),
        PooledConnectionLifetime = TimeSpan.FromMinutes(15),   // so that a change of DNS is seen
        MaxResponseDrainSize = LongestDrain,
        UseProxy = way.IsProxied,
        Proxy = way.IsProxied ? network.Proxies : null,
        ConnectCallback = way.IsProxied
            ? AddressResolver.Connect
            : async (context, stop) => await Connect(context.DnsEndPoint, way, stop),
        SslOptions = TrustedCertificates.ClientOptions(roots, way.IsVerified),
    }.WithHandshakesOnPool());

    /// <summary>Connects to a host by one of its addresses that may be connected to.</summary>
    private async Task<Stream> Connect(DnsEndPoint to, Way way, CancellationToken ct)
    {
        var addresses = IPAddress.TryParse(to.Host, out var literal) ? [literal] : await network.FindAddresses(to.Host, ct);
        if (way.Origin is null)
            NoteWhetherPrivate(to, addresses);
        var allowed = addresses.Where(address => Objection(to, way, address) is null).ToList();
        if (allowed.Count == 0)
            throw addresses.Length > 0 ? Objection(to, way, addresses[0])! : new SocketException((int)SocketError.HostNotFound);
        var (stream, connected) = await ConnectToOne(to, allowed, ct);
        if (way.Origin is null)
            Note(to, AddressKinds.Classify(connected));
        return stream;
    }

    private async Task<(Stream Stream, IPAddress Address)> ConnectToOne(DnsEndPoint to, List<IPAddress> allowed, CancellationToken ct)
    {
        var key = KeyOf(to.Host, to.Port);
        if (_silent.TryGetValue(key, out var until) && time.GetUtcNow() < until)
            throw new SocketException((int)SocketError.TimedOut, $"{key} accepted no connection a moment ago");
        try
        {
            return await HappyEyeballs.Connect(
                allowed, (address, ct) => network.Connect(new IPEndPoint(address, to.Port), ct), network.ConnectLimit, time, ct);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.TimedOut && network.SilencePause > TimeSpan.Zero)
        {
            _silent[key] = time.GetUtcNow() + network.SilencePause;
            throw;
        }
    }

    /// <summary>Why an address may not be connected to; null when it may.</summary>
    private Exception? Objection(DnsEndPoint to, Way way, IPAddress address) => way.Origin is { } kind
        ? network.Redirects?.Objection(to.Host, address, kind) is { } objection ? new ForbiddenAddressException(objection) : null
        : network.Redirects?.ObjectionToOrigin(to.Host, address, isListed: !way.IsVerified) is { } refusal
            ? Refused($"{to.Host}:{to.Port}", refusal) : null;

    private void Note(DnsEndPoint origin, AddressKind found)
    {
        var kind = found is AddressKind.Private or AddressKind.Loopback ? found : AddressKind.Public;
        _origins.AddOrUpdate(KeyOf(origin.Host, origin.Port), kind, (_, before) => before < kind ? before : kind);
    }

    /// <summary>
    /// True for a registry's host on a private network, as far as known. If it does not answer, clients are not told the cause:
    /// node-proxy would be a port scanner.
    /// </summary>
    public bool IsPrivate(Uri registry) => IPAddress.TryParse(registry.IdnHost, out var literal)
        ? AddressKinds.Classify(literal) is not AddressKind.Public
        : _private.ContainsKey(KeyOf(registry.IdnHost, registry.Port));

    private void NoteWhetherPrivate(DnsEndPoint origin, IPAddress[] addresses)
    {
        if (!addresses.Any(address => AddressKinds.Classify(address) is not AddressKind.Public))
            _private.TryRemove(KeyOf(origin.Host, origin.Port), out _);
        else if (_private.TryAdd(KeyOf(origin.Host, origin.Port), true) && _private.Count > MostPrivate)
            _private.Clear();   // each is noted again before it is next connected to
    }

    private static RegistryException Refused(string registry, string refusal) =>
        new(RegistryErrorKind.Refused, $"{registry} is not pulled from: {refusal}", HttpStatusCode.Forbidden);

    private static string KeyOf(string host, int port) => $"{host}:{port}";

    /// <summary>The key of a connection pool.</summary>
    /// <param name="IsVerified">False: any certificate is accepted.</param>
    /// <param name="IsProxied">Through the proxy, which resolves the addresses.</param>
    /// <param name="Origin">The network of the registry that redirects there; null without a redirect, or when the
    /// proxy makes the connection.</param>
    private readonly record struct Way(bool IsVerified, bool IsProxied, AddressKind? Origin);
}
