using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>The credentials for a repository of an origin.</summary>
/// <param name="Credentials">To be tried in this order; then anonymously.</param>
/// <param name="Problems">Reasons why there may be fewer than expected: a sentence for each pull secret that could not be used, and for a
/// cloud that issued no token.</param>
public sealed record CredentialsFound(IReadOnlyList<RegistryCredential> Credentials, IReadOnlyList<string> Problems);
