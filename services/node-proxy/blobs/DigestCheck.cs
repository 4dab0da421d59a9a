using System.IO.Hashing;
using System.Security.Cryptography;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>
/// Hashes bytes as they pass and verifies them at the end against the digest; by a checksum that was taken when the digest was verified,
/// where there is one: SHA-256 would be most of what a large blob costs here.
/// </summary>
internal sealed class DigestCheck(string digest, BlobChecksum? checksum = null) : IDisposable
{
    private readonly XxHash128? _quick = checksum is null ? null : new XxHash128();
    private readonly IncrementalHash? _hash = checksum is not null ? null : IncrementalHash.CreateHash(
        digest.StartsWith("sha512:", StringComparison.Ordinal) ? HashAlgorithmName.SHA512 : HashAlgorithmName.SHA256);

    public void Append(ReadOnlySpan<byte> bytes)
    {
        _quick?.Append(bytes);
        _hash?.AppendData(bytes);
    }

    /// <summary>True when all bytes so far match the digest.</summary>
    public bool Matches() => _quick is not null
        ? BlobChecksum.Compute(_quick) == checksum!.Xxh128
        : digest.AsSpan(digest.IndexOf(':', StringComparison.Ordinal) + 1).SequenceEqual(Convert.ToHexStringLower(_hash!.GetCurrentHash()));

    public void Dispose() => _hash?.Dispose();

    /// <summary>True when the bytes match the digest.</summary>
    public static bool Fits(string digest, ReadOnlySpan<byte> bytes)
    {
        using var check = new DigestCheck(digest);
        check.Append(bytes);
        return check.Matches();
    }

    /// <summary>The digest a registry gives these bytes.</summary>
    public static string Compute(ReadOnlySpan<byte> bytes) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes));
}
