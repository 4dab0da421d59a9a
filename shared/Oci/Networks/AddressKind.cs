namespace Kuik.Oci;

/// <summary>The kind of network of an address. The first three are ordered by how far a registry at such an address may redirect.</summary>
internal enum AddressKind
{
    /// <summary>The internet's.</summary>
    Public,

    /// <summary>RFC 1918, RFC 6598 (shared by carriers and clusters) and unique local addresses.</summary>
    Private,

    /// <summary>This machine, the unspecified address included: a connection to it arrives here as well.</summary>
    Loopback,

    /// <summary>This machine's link.</summary>
    LinkLocal,

    /// <summary>Where clouds give a machine its credentials.</summary>
    Metadata,
}
