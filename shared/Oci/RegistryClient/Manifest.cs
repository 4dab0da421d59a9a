namespace Kuik.Oci;

/// <summary>A manifest or index, byte for byte.</summary>
/// <param name="Bytes">As served.</param>
/// <param name="MediaType">Of a manifest, in its usual spelling; else as served.</param>
/// <param name="Digest">Of the manifest (see <see cref="ManifestDigest"/>): the one asked for, or a sha256.</param>
public sealed record Manifest(byte[] Bytes, string MediaType, string Digest);
