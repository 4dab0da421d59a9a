using System.Globalization;
using System.Net;

namespace Kuik.Oci;

/// <summary>
/// One entry of <c>no_proxy</c>. As in Go: a name means itself and what is below it, <c>.name</c> and <c>*.name</c> only what is below; an
/// address or a CIDR means literal addresses (names are not looked up); <c>:port</c> behind a name or address restricts it; <c>*</c> means
/// everything.
/// </summary>
internal sealed class NoProxyEntry
{
    private readonly string _name;
    private readonly AddressRange? _range;
    private readonly int? _port;

    private NoProxyEntry(string text)
    {
        if (AddressRange.TryParse(text, out var whole))
        {
            (_name, _range) = (text, whole);
            return;
        }
        (var host, _port) = Split(text);
        _name = host.StartsWith("*.", StringComparison.Ordinal) ? host[1..] : host;
        _range = AddressRange.TryParse(host.Trim('[', ']'), out var range) ? range : null;
    }

    /// <summary>One entry, as separated by commas or blanks. Never an error: an entry that is no address is a name.</summary>
    public static IEnumerable<NoProxyEntry> ReadAll(string text) =>
        text.Split([',', ' ', '\t', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries).Select(entry => new NoProxyEntry(entry));

    /// <param name="host">A name or address, without a dot at its end.</param>
    /// <param name="address">The host, if it is an address.</param>
    /// <param name="port">Where on the host.</param>
    public bool Matches(string host, IPAddress? address, int port) =>
        _name == "*" || ((_port is null || _port == port) && (address is null ? IsName(host) : _range?.Contains(address) == true));

    private bool IsName(string host) => _name.StartsWith('.')
        ? host.EndsWith(_name, StringComparison.OrdinalIgnoreCase)
        : host.Equals(_name, StringComparison.OrdinalIgnoreCase) || host.EndsWith("." + _name, StringComparison.OrdinalIgnoreCase);

    private static (string Host, int? Port) Split(string text)
    {
        var colon = text.LastIndexOf(':');
        var isPort = int.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port);
        return colon > 0 && isPort ? (text[..colon], port) : (text, null);
    }
}
