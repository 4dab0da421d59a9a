namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The search for another replica that has a blob.</summary>
internal static class PeerSearch
{
    /// <summary>The number of rounds in which other replicas are asked for a blob.</summary>
    private const int MostRounds = 3;

    /// <summary>
    /// Adds a replica that has the blob. A replica that asked here meanwhile, and was sent to the origin, may not have begun when it was
    /// asked: it is asked once more, or both would go to the origin.
    /// </summary>
    public static async Task AddPeer(SpooledBlob blob, BlobSource first, CancellationToken ct)
    {
        blob.Stage = BlobStage.Asking;
        for (var round = 0; first.FindPeer is { } find && round < MostRounds; round++)
        {
            var refused = blob.RefusedPeers;
            if (await find(ct) is { } peer)
                blob.Sources.AddFirst(peer);
            else if (!blob.TryGoToOrigin(refused))
                continue;
            return;
        }
    }
}
