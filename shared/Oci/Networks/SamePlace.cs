namespace Kuik.Oci;

/// <summary>Compares scheme, host and port of addresses.</summary>
internal static class SamePlace
{
    /// <summary>True when both have the same scheme, host and port. Only then may credentials for one be sent to the other.</summary>
    public static bool IsAt(this Uri address, Uri other) => address.Scheme == other.Scheme && address.Authority == other.Authority;
}
