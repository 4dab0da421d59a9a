using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>A credential issued by a cloud.</summary>
/// <param name="Credential">For the registry.</param>
/// <param name="ExpiresAt">UTC.</param>
public sealed record CloudToken(RegistryCredential Credential, DateTimeOffset ExpiresAt);
