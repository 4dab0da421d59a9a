using Kuik.Testing;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>How often origins sent the bytes of each blob, from their own ledgers.</summary>
internal static class OriginBytes
{
    /// <summary>
    /// Bytes that an origin may have sent and its client not received when their connection ends early, with an origin that sends piece by piece: what is in the two sockets' buffers.
    /// </summary>
    public const int OnTheWay = 4 * SendInPieces.PieceSize;

    /// <summary>
    /// What was sent more often than allowed, a line for each blob. A blob's bytes, from all origins and repositories together, are allowed once; and once more for each disruption
    /// between its first request and its last one: a kill -9 of a replica (what was in its spool is lost), or a partition (both sides may own the blob).
    /// </summary>
    /// <param name="origins">All that have any of the blobs.</param>
    /// <param name="images">Their blobs are looked at.</param>
    /// <param name="disruptions">When each one began. UTC.</param>
    public static IReadOnlyList<string> SentTooOften(IEnumerable<ScriptedOrigin> origins, IEnumerable<TestImage> images, IReadOnlyList<DateTimeOffset> disruptions)
    {
        var requests = origins.SelectMany(origin => origin.Ledger).Where(request => request.IsBlobDownload).ToLookup(request => request.Target);
        return [.. images.SelectMany(image => image.Blobs).DistinctBy(blob => blob.Digest)
            .Select(blob => Excess(blob, [.. requests[blob.Digest].OrderBy(request => request.At)], disruptions)).OfType<string>()];
    }

    /// <summary>The same, of origins and images without a disruption.</summary>
    public static IReadOnlyList<string> SentTwice(ScriptedOrigin origin, params IEnumerable<TestImage> images) => SentTooOften([origin], images, []);

    private static string? Excess(TestBlob blob, IReadOnlyList<OriginRequest> requests, IReadOnlyList<DateTimeOffset> disruptions)
    {
        if (requests.Count == 0)
            return null;
        var sent = requests.Sum(request => request.Sent);
        var disrupted = disruptions.Count(at => at >= requests[0].At && at <= requests[^1].At);
        var allowed = blob.Bytes.Length * (1L + disrupted) + OnTheWay * (requests.Count - 1L);
        return sent <= allowed ? null
            : $"{blob.Digest}: {sent} bytes of {blob.Bytes.Length}, {disrupted} disruptions: {string.Join(", ", requests.Select(request => $"{request.At:HH:mm:ss.ff} {request.Path[..request.Path.LastIndexOf("/blobs/", StringComparison.Ordinal)]} from {request.From}: {request.Sent}"))}";
    }
}
