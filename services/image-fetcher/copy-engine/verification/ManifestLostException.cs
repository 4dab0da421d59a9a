namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The cache registry lacks a manifest that belongs to an image which it has.</summary>
internal sealed class ManifestLostException(string digest) : Exception($"the cache registry lacks the manifest {digest}")
{
    /// <summary>Of the manifest.</summary>
    public string Digest => digest;
}
