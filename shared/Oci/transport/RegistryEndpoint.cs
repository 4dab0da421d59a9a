namespace Kuik.Oci;

/// <summary>The address of a registry, and its TLS verification.</summary>
/// <param name="Address">Scheme, host and port.</param>
/// <param name="IsVerified">False: any certificate will do.</param>
/// <param name="MayBePlain">True: plain HTTP is tried when the port does not speak TLS.</param>
public sealed record RegistryEndpoint(Uri Address, bool IsVerified = true, bool MayBePlain = false);
