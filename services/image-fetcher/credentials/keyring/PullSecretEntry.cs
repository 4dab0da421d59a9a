using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>One entry of a pull secret.</summary>
/// <param name="Host">A registry's host, with wildcards in each of its labels: <c>*.example.com:5000</c>.</param>
/// <param name="Path">The prefix of matching image paths, with a leading slash; empty for the whole registry.</param>
/// <param name="Credential">The credential to send.</param>
public sealed record PullSecretEntry(string Host, string Path, RegistryCredential Credential);
