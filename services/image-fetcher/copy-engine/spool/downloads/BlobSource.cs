using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A place to download a blob from: a repository of an origin, or another replica's spool.</summary>
/// <param name="Repository">The identity of the source: <c>docker.io/library/nginx</c>, or the address of a replica. A blob has
/// one source per repository.</param>
/// <param name="Digest">The blob's digest; the received bytes are verified against it.</param>
/// <param name="SizeInBytes">From the manifest; null when unknown.</param>
/// <param name="Open">Begins a download at an offset. Called again to continue after a break.</param>
internal sealed record BlobSource(string Repository, string Digest, long? SizeInBytes, Func<long, CancellationToken, Task<BlobBody>> Open)
{
    /// <summary>The origin's host, for its share of the spool.</summary>
    public string Host => Repository.Split('/')[0];

    /// <summary>The wanted blob and its image; null for a peer.</summary>
    public WantedBlob? Wanted { get; init; }

    /// <summary>Waits for a permit to download from this host; disposing of the result returns it. Null: no limit applies.</summary>
    public Func<CancellationToken, Task<IDisposable>>? Turn { get; init; }

    /// <summary>
    /// Finds a replica that has all or part of the blob. Called once before the first download from an origin; null result: none has it.
    /// </summary>
    public Func<CancellationToken, Task<BlobSource?>>? FindPeer { get; init; }

    /// <summary>True for another replica: it applies its own limits to the origin's speed, and no permit is needed.</summary>
    public bool IsPeer { get; init; }
}
