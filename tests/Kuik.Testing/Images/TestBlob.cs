using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Kuik.Testing;

/// <summary>A config or layer.</summary>
/// <param name="MediaType">As a manifest names it.</param>
/// <param name="Bytes">Its content.</param>
public sealed record TestBlob(string MediaType, byte[] Bytes)
{
    public string Digest { get; } = DigestOf(Bytes);

    /// <summary><c>sha256:</c> and 64 hex digits.</summary>
    public static string DigestOf(ReadOnlySpan<byte> bytes) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes));

    internal JsonObject Descriptor() => new() { ["mediaType"] = MediaType, ["size"] = Bytes.Length, ["digest"] = Digest };
}
