using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Kuik.Oci;

/// <summary>One address, or all that begin with the same bits.</summary>
internal readonly record struct AddressRange
{
    private readonly IPNetwork _network;

    private AddressRange(IPNetwork network) => _network = network;

    /// <summary>Its first address.</summary>
    public IPAddress First => _network.BaseAddress;

    /// <exception cref="FormatException">It is neither an address nor a CIDR.</exception>
    public static AddressRange Parse(string text) => TryParse(text, out var range)
        ? range
        : throw new FormatException($"\"{text}\" is no address and no CIDR");

    /// <summary>Reads <c>10.1.2.3</c>, <c>10.0.0.0/8</c>, <c>fd00::/8</c>; as everywhere else, <c>10.1.2.3/8</c> is the network that
    /// 10.1.2.3 is on.</summary>
    public static bool TryParse(string text, out AddressRange range)
    {
        range = default;
        var parts = text.Split('/', 2);
        if (!IPAddress.TryParse(parts[0], out var address) || !IsWrittenOut(address, parts[0]))
            return false;
        var longest = address.GetAddressBytes().Length * 8;
        var length = longest;
        if (parts.Length > 1 && (!int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out length) || length > longest))
            return false;
        if (address.IsIPv4MappedToIPv6 && length >= 96)
            (address, length) = (address.MapToIPv4(), length - 96);
        range = new AddressRange(new IPNetwork(Mask(address, length), length));
        return true;
    }

    public bool Contains(IPAddress address) => _network.Contains(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);

    public override string ToString() => _network.ToString();

    /// <summary>.NET also takes <c>10</c>, <c>0x0a.1</c> and <c>[::1]:80</c> for addresses; such text is a mistake in a setting.</summary>
    private static bool IsWrittenOut(IPAddress address, string text) =>
        address.AddressFamily == AddressFamily.InterNetwork ? address.ToString() == text : !text.AsSpan().ContainsAny('[', '%');

    /// <summary>.NET accepts no network with bits set behind its prefix.</summary>
    private static IPAddress Mask(IPAddress address, int length)
    {
        var bytes = address.GetAddressBytes();
        for (var i = 0; i < bytes.Length; i++)
        {
            var kept = Math.Clamp(length - i * 8, 0, 8);
            bytes[i] &= (byte)(0xff << (8 - kept));
        }
        return new IPAddress(bytes);
    }
}
