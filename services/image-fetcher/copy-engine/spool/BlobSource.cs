using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>One place that a blob can be fetched from: a repository of an origin, or another replica's spool.</summary>
/// <param name="Repository">
/// Identifies the source: <c>docker.io/library/nginx</c>, or the address of a replica. A blob has one source per repository.
/// </param>
/// <param name="Digest">Of the blob; the received bytes are verified against it.</param>
/// <param name="SizeInBytes">From the manifest; null when it is not known.</param>
/// <param name="Open">Begins a download at an offset. Called again to continue after a break.</param>
internal sealed record BlobSource(string Repository, string Digest, long? SizeInBytes, Func<long, CancellationToken, Task<BlobBody>> Open)
{
    /// <summary>The origin's host, for its share of the spool.</summary>
    public string Host => Repository.Split('/')[0];

    /// <summary>What is wanted by whom; null for a peer.</summary>
    public WantedBlob? Wanted { get; init; }

    /// <summary>Waits for permission to download from this host; disposing the result returns it. Null: no limit applies.</summary>
    public Func<CancellationToken, Task<IDisposable>>? Turn { get; init; }

    /// <summary>
    /// Looks for a replica that has the blob, or some of it. Called once before the first download from an origin; null result: none
    /// has it.
    /// </summary>
    public Func<CancellationToken, Task<BlobSource?>>? FindPeer { get; init; }

    /// <summary>Another replica: it applies its own limits to the origin's speed, and no turn is needed.</summary>
    public bool IsPeer { get; init; }
}
