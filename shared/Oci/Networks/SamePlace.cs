namespace Kuik.Oci;

/// <summary>Where an address is, whatever its path.</summary>
internal static class SamePlace
{
    /// <summary>Are both at the same scheme, host and port? Only then may one get what was meant for the other.</summary>
    public static bool IsAt(this Uri address, Uri other) => address.Scheme == other.Scheme && address.Authority == other.Authority;
}
