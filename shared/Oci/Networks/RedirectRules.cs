using System.Net;
using Kuik.Hosting;
using Microsoft.Extensions.Configuration;

namespace Kuik.Oci;

/// <summary>
/// Where a registry may send us by a redirect or a token realm: to public addresses, and to private ones if it is on one itself. Otherwise
/// the owner of a registry could have
/// requests sent to any server that this process reaches. And where a registry itself may be: anywhere but on this machine's own
/// addresses. See docs/decisions/0003-networks.md.
/// </summary>
public sealed class RedirectRules
{
    /// <summary>
    /// Private and loopback addresses that every registry may send us to: names of hosts, addresses or CIDRs. Default none. Link-local and
    /// metadata addresses are never among them.
    /// </summary>
    public const string AllowedKey = "Kuik:AllowedPrivateAddresses";

    // Behind a proxy a name is all that can be seen.
    private static readonly string[] MetadataNames = ["metadata.google.internal", "metadata.goog"];

    private readonly HashSet<string> _names = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<AddressRange> _ranges = [];

    /// <param name="allowed">As for <see cref="AllowedKey"/>.</param>
    /// <exception cref="InvalidSettingException">An entry is none of these.</exception>
    public RedirectRules(IEnumerable<string> allowed)
    {
        foreach (var entry in allowed)
        {
            if (AddressRange.TryParse(entry, out var range)
                && AddressKinds.Classify(range.First) is not (AddressKind.LinkLocal or AddressKind.Metadata))
                _ranges.Add(range);
            else if (Uri.CheckHostName(entry) == UriHostNameType.Dns && !MetadataNames.Contains(entry.ToLowerInvariant()))
                _names.Add(entry);
            else
                throw new InvalidSettingException(AllowedKey, entry,
                    "the name of a host, an address or a CIDR, and none that is link-local or for metadata");
        }
    }

    /// <summary>The rules that <see cref="AllowedKey"/> describes.</summary>
    /// <exception cref="InvalidSettingException">An entry is not accepted.</exception>
    public static RedirectRules From(IConfiguration configuration) => new(configuration.ReadList(AllowedKey));

    /// <summary>Why an address may not be connected to; null when it may.</summary>
    /// <param name="host">The name that resolved to it.</param>
    /// <param name="address">The address.</param>
    /// <param name="origin">Where the registry is that sends us there.</param>
    internal string? Objection(string host, IPAddress address, AddressKind origin) => AddressKinds.Classify(address) switch
    {
        AddressKind.Metadata => $"{address} gives machines their credentials, which is never allowed",
        AddressKind.LinkLocal => $"{address} is link-local, which is never allowed",
        AddressKind.Private when origin is not (AddressKind.Private or AddressKind.Loopback) && !IsAllowed(host, address) =>
            $"{address} is private and the registry is not on a private address itself; {AllowedKey} would allow it",
        AddressKind.Loopback when origin is not AddressKind.Loopback && !IsAllowed(host, address) =>
            $"{address} is a loopback address and the registry is not on one itself; {AllowedKey} would allow it",
        _ => null,
    };

    /// <summary>The objection to a host whose addresses are not known; null for none.</summary>
    internal string? Objection(string host, AddressKind origin)
    {
        var name = host.TrimEnd('.');
        return IPAddress.TryParse(name, out var literal) ? Objection(name, literal, origin)
            : MetadataNames.Contains(name.ToLowerInvariant()) ? $"{name} gives machines their credentials, which is never allowed"
            : null;
    }

    /// <summary>Why a registry itself may not be at an address; null when it may. Private addresses may: registries are there.</summary>
    /// <param name="host">Its name in the reference.</param>
    /// <param name="address">The address.</param>
    /// <param name="isListed"><c>Kuik:InsecureRegistries</c> names the registry.</param>
    internal string? ObjectionToOrigin(string host, IPAddress address, bool isListed) => AddressKinds.Classify(address) switch
    {
        AddressKind.Metadata or AddressKind.LinkLocal => Objection(host, address, AddressKind.Loopback),
        AddressKind.Loopback when !isListed && !IsAllowed(host, address) =>
            $"{address} is an address of this machine; {RegistryEndpoints.InsecureKey} or {AllowedKey} would allow it",
        _ => null,
    };

    /// <summary>The same of a host whose addresses are not known yet.</summary>
    internal string? ObjectionToOrigin(string host, bool isListed)
    {
        var name = host.TrimEnd('.');
        return IPAddress.TryParse(name.Trim('[', ']'), out var literal) ? ObjectionToOrigin(name, literal, isListed)
            : MetadataNames.Contains(name.ToLowerInvariant()) ? Objection(name, AddressKind.Loopback)
            : null;
    }

    private bool IsAllowed(string host, IPAddress address) =>
        _names.Contains(host.TrimEnd('.')) || _ranges.Any(range => range.Contains(address));
}
