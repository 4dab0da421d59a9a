using Kuik.Testing;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>How often origins sent the bytes of each blob, from their own ledgers.</summary>
internal static class OriginBytes
{
    /// <summary>
    /// Bytes that an origin may have sent and its client not received when their connection ends early, with an origin that sends piece
    /// by piece: what is in the two sockets' buffers, which hold more, and fill up when the client's machine is busy.
    /// </summary>
    public const int OnTheWay = 16 * SendInPieces.PieceSize;

    private const int OtherReplicas = 4;

    /// <summary>
    /// The blobs that were sent more often than allowed, a line for each. A blob's bytes, from all origins and repositories together, are
    /// allowed once; once more for each kill -9 between its first request and its last one; and once more for each partition in that time,
    /// up to one for each other replica (each side may own the blob).
    /// </summary>
    /// <param name="origins">All that have any of the blobs.</param>
    /// <param name="images">Their blobs are looked at.</param>
    /// <param name="disruptions">All that happened.</param>
    public static IReadOnlyList<string> SentTooOften(
        IEnumerable<ScriptedOrigin> origins, IEnumerable<TestImage> images, IReadOnlyList<Disruption> disruptions)
    {
        var requests = origins.SelectMany(origin => origin.Ledger).Where(request => request.IsBlobDownload)
            .ToLookup(request => request.Target);
        return [.. images.SelectMany(image => image.Blobs).DistinctBy(blob => blob.Digest)
            .Select(blob => Excess(blob, [.. requests[blob.Digest].OrderBy(request => request.At)], disruptions)).OfType<string>()];
    }

    /// <summary>The same, of origins and images without a disruption.</summary>
    public static IReadOnlyList<string> SentTwice(ScriptedOrigin origin, params IEnumerable<TestImage> images) =>
        SentTooOften([origin], images, []);

    private static string? Excess(TestBlob blob, IReadOnlyList<OriginRequest> requests, IReadOnlyList<Disruption> disruptions)
    {
        if (requests.Count == 0)
            return null;
        var sent = requests.Sum(request => request.Sent);
        var within = disruptions.Where(disruption => disruption.IsWithin(requests[0].At, requests[^1].At))
            .ToLookup(disruption => disruption.IsPartition);
        var disrupted = within[false].Count() + Math.Min(within[true].Count(), OtherReplicas);
        var allowed = blob.Bytes.Length * (1L + disrupted) + OnTheWay * (requests.Count - 1L);
        return sent <= allowed ? null
            : $"{blob.Digest}: {sent} of {blob.Bytes.Length}, {disrupted} disruptions: {string.Join(", ", requests.Select(Describe))}";
    }

    private static string Describe(OriginRequest request) =>
        $"{request.At:HH:mm:ss.ff} {request.Path.Split("/blobs/")[0]} from {request.From}: {request.Sent}";
}
