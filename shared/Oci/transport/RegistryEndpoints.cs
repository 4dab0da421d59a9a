using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.Hosting;
using Microsoft.Extensions.Configuration;

namespace Kuik.Oci;

/// <summary>Where the hosts of references are, and which of them need no (verified) TLS.</summary>
public sealed class RegistryEndpoints
{
    /// <summary>Names of registries; see <see cref="From"/> for the accepted forms.</summary>
    public const string InsecureKey = "Kuik:InsecureRegistries";

    private const string DockerHubAddress = "https://registry-1.docker.io";

    /// <summary>How long a host that answered without TLS is asked so, before TLS is tried again.</summary>
    internal static readonly TimeSpan PlainLifetime = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<string, RegistryEndpoint> _special = new(StringComparer.OrdinalIgnoreCase);

    // Of hosts that may be plain, so of as many as are listed.
    private readonly ConcurrentDictionary<string, bool> _spokeTls = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<string, DateTimeOffset> _plainUntil = new(StringComparer.OrdinalIgnoreCase);

    /// <param name="insecure">
    /// <c>http://host[:port]</c>: plain HTTP. <c>https://host[:port]</c>: TLS, unverified. <c>host[:port]</c>: TLS, unverified, or plain
    /// HTTP where the port does not speak TLS.
    /// </param>
    /// <exception cref="InvalidSettingException">An entry is none of these.</exception>
    public RegistryEndpoints(IEnumerable<string> insecure)
    {
        foreach (var entry in insecure)
        {
            var hasScheme = entry.Contains("://", StringComparison.Ordinal);
            if (!Uri.TryCreate(hasScheme ? entry : "https://" + entry, UriKind.Absolute, out var address)
                || address.Scheme is not ("http" or "https") || address.PathAndQuery != "/")
                throw new InvalidSettingException(InsecureKey, entry, "host, host:port, http://host[:port] or https://host[:port]");
            var host = (hasScheme ? entry[(entry.IndexOf("://", StringComparison.Ordinal) + 3)..] : entry).TrimEnd('/');
            _special[host] = new RegistryEndpoint(address, IsVerified: false, MayBePlain: !hasScheme);
        }
    }

    /// <summary>
    /// One registry at an address of its own: plain HTTP where that says so, else TLS with a certificate that is verified.
    /// </summary>
    /// <param name="address">Scheme, host and port; a path is ignored.</param>
    public static RegistryEndpoints At(Uri address)
    {
        var endpoints = new RegistryEndpoints([]);
        endpoints._special[HostOf(address)] = new RegistryEndpoint(new Uri(address.GetLeftPart(UriPartial.Authority)));
        return endpoints;
    }

    /// <summary>An address's host as references name it, with its port where that is not the scheme's own.</summary>
    public static string HostOf(Uri address) => address.IsDefaultPort ? address.Host : address.Authority;

    /// <summary>The endpoints that <c>Kuik:InsecureRegistries</c> describes.</summary>
    /// <exception cref="InvalidSettingException">An entry is not accepted.</exception>
    public static RegistryEndpoints From(IConfiguration configuration) => new(configuration.ReadList(InsecureKey));

    /// <summary>The clock by which a host that answered without TLS is tried with it again.</summary>
    internal TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>The endpoint of a host.</summary>
    /// <param name="host">As references name it.</param>
    public RegistryEndpoint Of(string host) =>
        !_special.TryGetValue(host, out var endpoint)
            ? new RegistryEndpoint(new Uri(host == ImageReference.DockerHub ? DockerHubAddress : "https://" + host))
        : _plainUntil.TryGetValue(host, out var until) && until > Time.GetUtcNow() ? PlainOf(host)
        : endpoint;

    /// <summary>A host that may be plain, without TLS.</summary>
    internal static RegistryEndpoint PlainOf(string host) => new(new Uri("http://" + host), IsVerified: false);

    /// <summary>A host has spoken TLS: a handshake that fails is no sign any more that it does not.</summary>
    internal void SawTls(string host) => _spokeTls.TryAdd(host, true);

    internal bool HasSpokenTls(string host) => _spokeTls.ContainsKey(host);

    /// <summary>A host that may be plain has answered so, as a registry does.</summary>
    internal void SawPlain(string host) => _plainUntil[host] = Time.GetUtcNow() + PlainLifetime;
}
