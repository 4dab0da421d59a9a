using Kuik.Contracts;
using Kuik.Hosting;
using Microsoft.Extensions.Configuration;

namespace Kuik.Oci;

/// <summary>
/// The origins that images may come from, the same for node-proxy and image-fetcher. Hosts are compared by name: an allow list says what
/// may be reached, a deny
/// list only what is not asked under that name.
/// </summary>
public sealed class OriginRules
{
    /// <summary>
    /// Origins that may be pulled from, as images name them: <c>docker.io</c>, <c>registry.example.com:5000</c> (that port only; without
    /// one: any port), <c>*.example.com</c>
    /// (every host below it). Default none: all of them. The token servers and redirects of an allowed origin are allowed with it.
    /// </summary>
    public const string AllowedKey = "Kuik:AllowedOrigins";

    /// <summary>
    /// Hosts that are never asked, in the same form: not as an origin, not as a token server, not as the target of a redirect. Wins over
    /// the other list. Default none.
    /// </summary>
    public const string DeniedKey = "Kuik:DeniedOrigins";

    /// <summary>The name of <see cref="AllowedKey"/> when only node-proxy had it. Still read; entries under both names count.</summary>
    public const string OldAllowedKey = "Kuik:Proxy:AllowedOrigins";

    /// <summary>The name of <see cref="DeniedKey"/> when only node-proxy had it. Still read; entries under both names count.</summary>
    public const string OldDeniedKey = "Kuik:Proxy:DeniedOrigins";

    /// <summary>No lists.</summary>
    public static readonly OriginRules AllowAll = new(Array.Empty<string>(), Array.Empty<string>());

    private readonly Entry[] _allowed;
    private readonly Entry[] _denied;

    /// <param name="allowed">As for <see cref="AllowedKey"/>.</param>
    /// <param name="denied">As for <see cref="DeniedKey"/>.</param>
    /// <exception cref="InvalidSettingException">An entry is not a host.</exception>
    public OriginRules(IEnumerable<string> allowed, IEnumerable<string> denied)
        : this(allowed.Select(entry => Read(AllowedKey, entry)).ToArray(), denied.Select(entry => Read(DeniedKey, entry)).ToArray())
    {
    }

    private OriginRules(Entry[] allowed, Entry[] denied) => (_allowed, _denied) = (allowed, denied);

    /// <summary>Reads both lists, under their names and their old names.</summary>
    /// <exception cref="InvalidSettingException">An entry is not a host.</exception>
    public static OriginRules From(IConfiguration configuration)
    {
        return new OriginRules(Entries(AllowedKey, OldAllowedKey), Entries(DeniedKey, OldDeniedKey));

        Entry[] Entries(params string[] keys) => [.. keys.SelectMany(key => configuration.ReadList(key).Select(entry => Read(key, entry)))];
    }

    /// <summary>Why an image's origin is not pulled from, as a sentence that names the setting; null when it may be.</summary>
    /// <param name="host">As a normalised reference has it, with its port if it names one.</param>
    public string? DenialReason(string host)
    {
        if (_allowed.Length == 0 && _denied.Length == 0)
            return null;
        var colon = host.IndexOf(':', StringComparison.Ordinal);
        var (name, port) = colon < 0 ? (host, 443) : (host[..colon], int.Parse(host.AsSpan(colon + 1), provider: null));
        if (Array.Find(_denied, entry => entry.Covers(name, port)) is { } denied)
            return $"{host} is not pulled from: it is among {denied.Key}";
        return _allowed.Length == 0 || Array.Exists(_allowed, entry => entry.Covers(name, port))
            ? null
            : $"{host} is not pulled from: it is not among {_allowed[0].Key}";
    }

    /// <summary>The reason to refuse an address, also of a token realm or a redirect; null when it is allowed.</summary>
    public string? DenialReason(Uri address)
    {
        if (_denied.Length == 0)
            return null;
        var name = address.IdnHost.TrimEnd('.').ToLowerInvariant();
        name = name is "registry-1.docker.io" or "index.docker.io" ? ImageReference.DockerHub : name;
        return Array.Find(_denied, entry => entry.Covers(name, address.Port)) is { } denied ? $"{name} is among {denied.Key}" : null;
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
            number = int.TryParse(port, out var parsed) && parsed is >= 1 and <= 65535
                ? parsed
                : throw new InvalidSettingException(key, text, accepted);
        return Uri.CheckHostName(name) is UriHostNameType.Dns or UriHostNameType.IPv4 && !name.EndsWith('.')
            ? new Entry(key, name.ToLowerInvariant(), isBelow, number)
            : throw new InvalidSettingException(key, text, accepted);
    }

    private sealed record Entry(string Key, string Name, bool IsBelow, int? Port)
    {
        public bool Covers(string name, int port) => (Port is null || Port == port)
            && (IsBelow
                ? name.Length > Name.Length + 1 && name.EndsWith(Name, StringComparison.Ordinal) && name[^(Name.Length + 1)] == '.'
                : name == Name);
    }
}
