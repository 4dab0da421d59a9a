using System.Security.Cryptography;

namespace Kuik.NodeProxy;

/// <summary>Hashes bytes as they pass and says at the end whether they are what the digest names.</summary>
internal sealed class DigestCheck(string digest) : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(
        digest.StartsWith("sha512:", StringComparison.Ordinal) ? HashAlgorithmName.SHA512 : HashAlgorithmName.SHA256);

    public void Append(ReadOnlySpan<byte> bytes) => _hash.AppendData(bytes);

    /// <summary>Are the bytes so far, all together, the ones the digest names? Begins anew.</summary>
    public bool Matches() => digest.AsSpan(digest.IndexOf(':', StringComparison.Ordinal) + 1).SequenceEqual(Convert.ToHexStringLower(_hash.GetHashAndReset()));

    public void Dispose() => _hash.Dispose();

    /// <summary>Are these the bytes the digest names?</summary>
    public static bool Fits(string digest, ReadOnlySpan<byte> bytes)
    {
        using var check = new DigestCheck(digest);
        check.Append(bytes);
        return check.Matches();
    }

    /// <summary>The digest a registry gives these bytes.</summary>
    public static string Of(ReadOnlySpan<byte> bytes) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes));
}
