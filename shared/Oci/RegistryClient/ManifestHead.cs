namespace Kuik.Oci;

/// <summary>The headers of a manifest, from a HEAD request.</summary>
/// <param name="Digest">Null when it did not say.</param>
/// <param name="MediaType">Null when it did not say, or named a type that is no manifest's.</param>
/// <param name="SizeInBytes">Null when it did not say, or said 0.</param>
public sealed record ManifestHead(string? Digest, string? MediaType, long? SizeInBytes);
