using Kuik.Contracts;
using Kuik.Hosting;

namespace Kuik.NodeProxy;

/// <summary>
/// Which origins this node's pulls may be for. They go by name: an allow list says what may be reached, a deny list only what is not to be asked for under that name.
/// </summary>
internal sealed class OriginRules
{
    /// <summary>
    /// Origins that may be pulled from, as images name them: <c>docker.io</c>, <c>registry.example.com:5000</c> (that port only; without one: any port), <c>*.example.com</c>
    /// (every host below it). Default none: all of them. Where an allowed origin's tokens and redirects lead is its own matter.
    /// </summary>
    public const string AllowedKey = "Kuik:Proxy:AllowedOrigins";

    /// <summary>Hosts that are never asked, in the same form: not as an origin, not as a token server, not where an origin redirects to. Wins over the other list. Default none.</summary>
    public const string DeniedKey = "Kuik:Proxy:DeniedOrigins";

    private readonly Entry[] _allowed;
    private readonly Entry[] _denied;

    /// <exception cref="WrongSetting">An entry is not a host.</exception>
    public OriginRules(IEnumerable<string> allowed, IEnumerable<string> denied) =>
        (_allowed, _denied) = ([.. allowed.Select(entry => Read(AllowedKey, entry))], [.. denied.Select(entry => Read(DeniedKey, entry))]);

    /// <summary>Why an image's origin is not pulled from, as a sentence; null when it is.</summary>
    /// <param name="host">As a normalised reference has it, with its port if it names one.</param>
    public string? Objection(string host)
    {
        if (_allowed.Length == 0 && _denied.Length == 0)
            return null;
        var colon = host.IndexOf(':', StringComparison.Ordinal);
        var (name, port) = colon < 0 ? (host, 443) : (host[..colon], int.Parse(host.AsSpan(colon + 1), provider: null));
        if (Array.Exists(_denied, entry => entry.Covers(name, port)))
            return $"{host} is not pulled from: it is among {DeniedKey}";
        return _allowed.Length == 0 || Array.Exists(_allowed, entry => entry.Covers(name, port)) ? null : $"{host} is not pulled from: it is not among {AllowedKey}";
    }

    /// <summary>Why an address is not asked, whoever points to it; null when it may be.</summary>
    public string? Objection(Uri address)
    {
        if (_denied.Length == 0)
            return null;
        var name = address.IdnHost.TrimEnd('.').ToLowerInvariant();
        name = name is "registry-1.docker.io" or "index.docker.io" ? ImageReference.DockerHub : name;
        return Array.Exists(_denied, entry => entry.Covers(name, address.Port)) ? $"{name} is among {DeniedKey}" : null;
    }

    private static Entry Read(string key, string text)
    {
        const string accepted = "a host as images name it, such as docker.io, registry.example.com:5000 or *.example.com";
        var isBelow = text.StartsWith("*.", StringComparison.Ordinal);
        var rest = isBelow ? text[2..] : text;
        var colon = rest.IndexOf(':', StringComparison.Ordinal);
        var (name, port) = colon < 0 ? (rest, null) : (rest[..colon], rest[(colon + 1)..]);
        int? number = null;
        if (port is not null)
            number = int.TryParse(port, out var parsed) && parsed is >= 1 and <= 65535 ? parsed : throw new WrongSetting(key, text, accepted);
        return Uri.CheckHostName(name) is UriHostNameType.Dns or UriHostNameType.IPv4 && !name.EndsWith('.')
            ? new Entry(name.ToLowerInvariant(), isBelow, number)
            : throw new WrongSetting(key, text, accepted);
    }

    private sealed record Entry(string Name, bool IsBelow, int? Port)
    {
        public bool Covers(string name, int port) => (Port is null || Port == port)
            && (IsBelow ? name.Length > Name.Length + 1 && name.EndsWith(Name, StringComparison.Ordinal) && name[^(Name.Length + 1)] == '.' : name == Name);
    }
}
