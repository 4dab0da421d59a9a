namespace Kuik.Oci;

/// <summary>The request for a token.</summary>
/// <param name="Host">The registry that the token is for.</param>
/// <param name="Realm">The token server's address, as the challenge holds it.</param>
/// <param name="Service">As the challenge holds it; null for none.</param>
/// <param name="Scopes">Separated by spaces; may be empty.</param>
/// <param name="Credential">Null for an anonymous token.</param>
internal sealed record TokenRequest(string Host, string Realm, string? Service, string Scopes, RegistryCredential? Credential);
