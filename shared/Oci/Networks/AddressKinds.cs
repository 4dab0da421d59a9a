using System.Net;
using System.Net.Sockets;

namespace Kuik.Oci;

/// <summary>Says of which kind an address is.</summary>
internal static class AddressKinds
{
    // The one that most clouds use; then AWS (with its other services for instances), Google, Azure and Alibaba.
    private static readonly AddressRange[] Metadata =
        Ranges("169.254.169.254", "fd00:ec2::/32", "fd20:ce::254", "168.63.129.16", "100.100.100.200");
    private static readonly AddressRange[] LinkLocal = Ranges("169.254.0.0/16", "fe80::/10");
    private static readonly AddressRange[] Loopback = Ranges("127.0.0.0/8", "0.0.0.0/8", "::1");
    private static readonly AddressRange[] Private =
        Ranges("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10");

    private static readonly AddressRange Nat64 = AddressRange.Parse("64:ff9b::/96");
    private static readonly AddressRange Compatible = AddressRange.Parse("::/96");

    public static AddressKind Classify(IPAddress address)
    {
        var meant = Meant(address);
        return Holds(Metadata) ? AddressKind.Metadata
            : Holds(LinkLocal) ? AddressKind.LinkLocal
            : Holds(Loopback) ? AddressKind.Loopback
            : Holds(Private) ? AddressKind.Private
            : AddressKind.Public;

        bool Holds(AddressRange[] ranges) => ranges.Any(range => range.Contains(meant));
    }

    /// <summary>The IPv4 address that one of IPv6 stands for (mapped, compatible, by way of NAT64), else the address itself, without its
    /// scope.</summary>
    private static IPAddress Meant(IPAddress address)
    {
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
            return address;
        var bytes = address.GetAddressBytes();
        var plain = new IPAddress(bytes);
        return address.IsIPv4MappedToIPv6 || Nat64.Contains(plain) || (Compatible.Contains(plain) && !plain.Equals(IPAddress.IPv6Loopback))
            ? new IPAddress(bytes.AsSpan(12))
            : plain;
    }

    private static AddressRange[] Ranges(params string[] texts) => [.. texts.Select(AddressRange.Parse)];
}
