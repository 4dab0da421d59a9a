using System.Security.Cryptography;

namespace Kuik.Oci;

/// <summary>Digests as registries write them: algorithm, colon, lower-case hex digits.</summary>
public static class Digest
{
    /// <summary>The sha256 of some bytes.</summary>
    public static string Sha256(ReadOnlySpan<byte> bytes) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>The digest of some bytes, by the algorithm of another digest.</summary>
    /// <param name="bytes">Of these.</param>
    /// <param name="like">For example the digest they are expected to have; sha512, else sha256.</param>
    public static string Compute(ReadOnlySpan<byte> bytes, string like) =>
        like.StartsWith("sha512:", StringComparison.Ordinal) ? "sha512:" + Convert.ToHexStringLower(SHA512.HashData(bytes)) : Sha256(bytes);

    /// <summary>A running digest by the algorithm of another one.</summary>
    public static IncrementalHash Begin(string like) =>
        IncrementalHash.CreateHash(like.StartsWith("sha512:", StringComparison.Ordinal)
            ? HashAlgorithmName.SHA512
            : HashAlgorithmName.SHA256);

    /// <summary>The digest of the bytes hashed so far.</summary>
    public static string End(IncrementalHash hash) =>
        (hash.AlgorithmName == HashAlgorithmName.SHA512 ? "sha512:" : "sha256:") + Convert.ToHexStringLower(hash.GetHashAndReset());
}
