using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>
/// Paths as kube-image-keeper v1 wrote them into pods: <c>host-port</c> where Kuik writes <c>host_port</c>. A dash may also be in a
/// host's own name, so such a path
/// means a host and a port only where no host of that whole name exists (<c>Kuik:Proxy:AcceptV1Paths</c>).
/// </summary>
internal sealed partial class V1Paths(AddressResolver resolver, TimeProvider time)
{
    private const int MaxKnownHosts = 1000;

    /// <summary>How long a pull waits for DNS. A name that is not resolved in time counts as one that does not exist: then only v1's
    /// meaning can be served.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    /// <summary>How long a definite answer of DNS is used again.</summary>
    private static readonly TimeSpan FreshFor = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<string, (bool Exists, DateTimeOffset Until)> _known = new(StringComparer.Ordinal);

    /// <summary>The same path with the host as Kuik writes it.</summary>
    /// <param name="path">Of the request: <c>/v2/registry.example.com-5000/team/app/manifests/1</c>.</param>
    /// <param name="host">Its host as it stands there, when the result is true.</param>
    /// <param name="translated">The path, when the result is true.</param>
    public static bool TryTranslate(string path, [NotNullWhen(true)] out string? host, [NotNullWhen(true)] out string? translated)
    {
        var match = HostAndPort().Match(path);
        var (name, port) = (match.Groups[1].Value, match.Groups[2].Value);
        (host, translated) = match.Success ? ($"{name}-{port}", $"/v2/{name}_{port}{path.AsSpan(match.Length)}") : (null, null);
        return match.Success;
    }

    /// <summary>A host of this name exists, as far as this node's DNS says.</summary>
    /// <param name="host">As of <see cref="TryTranslate"/>.</param>
    /// <param name="ct">The client is gone.</param>
    public async Task<bool> Exists(string host, CancellationToken ct)
    {
        if (_known.TryGetValue(host, out var known) && known.Until > time.GetUtcNow())
            return known.Exists;
        bool exists;
        try
        {
            exists = (await resolver.Find(host, ct).WaitAsync(Limit, time, ct)).Length > 0;
        }
        catch (SocketException unknown) when (unknown.SocketErrorCode is SocketError.HostNotFound or SocketError.NoData)
        {
            exists = false;
        }
        catch (ArgumentException)
        {
            exists = false;   // no name that DNS could have
        }
        catch (Exception doubt) when (doubt is SocketException or TimeoutException)
        {
            return false;
        }
        if (_known.Count >= MaxKnownHosts)
            _known.Clear();
        _known[host] = (exists, time.GetUtcNow() + FreshFor);
        return exists;
    }

    // With a dot: v1 took a first part without one for a part of a Docker Hub name, whatever it ended in.
    [GeneratedRegex(@"\A/v2/([a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)+)-([0-9]{1,5})(?=/)")]
    private static partial Regex HostAndPort();
}
