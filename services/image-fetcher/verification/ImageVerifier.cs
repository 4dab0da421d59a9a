using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>
/// Compares what the log says of an image with the cache registry, and records what is lost. The loss opens the copy again, like a request.
/// </summary>
/// <param name="log">The event log.</param>
/// <param name="inspector">Resolved when it is used: the engine that it belongs to knows the recorder of pulls, which knows this.</param>
/// <param name="postgres">For the work table.</param>
/// <param name="metrics">Counts outcomes.</param>
/// <param name="logger">Gets each loss.</param>
public sealed partial class ImageVerifier(
    EventLogTransactions log, Func<CacheInspector> inspector, NpgsqlDataSource postgres, FetcherMetrics metrics,
    ILogger<ImageVerifier> logger)
{
    /// <summary>For each image that is lost so many others are looked at soon. Where those are there, it ends with that; of a registry
    /// that was wiped, all are found in a few rounds.</summary>
    private const int OthersForEachLoss = 5;

    /// <summary>The event to append; null when the image has been evicted or copied again since the look began.</summary>
    /// <param name="image">Its state.</param>
    /// <param name="attempt">The claim whose copy was looked for.</param>
    /// <param name="loss">A sentence that names the missing part.</param>
    /// <param name="noticedBy">See <see cref="ImageLost.NoticedBy"/>.</param>
    /// <param name="now">UTC, by the database's clock.</param>
    public static ImageLost? Decide(ImageState image, long attempt, string loss, string noticedBy, DateTimeOffset now) =>
        image.IsCached && image.Attempt == attempt
            ? new ImageLost(image.Image, loss, attempt, now) { Digest = image.Digest, NoticedBy = noticedBy }
            : null;

    /// <summary>Selects the images that are recorded as cached. The others have no verification due any more.</summary>
    public Task<IReadOnlyList<CachedClaim>> FindCached(IReadOnlyList<string> images, CancellationToken ct) =>
        log.Execute(
            async transaction =>
            {
                var cached = new List<CachedClaim>();
                foreach (var stream in await transaction.ReadImages(images, ct))
                    if (stream.State.IsCached)
                        cached.Add(new CachedClaim(stream.State.Image, stream.State.Attempt));
                    else
                        await transaction.RepairWork(StreamName.ImageOf(stream.Name), ct);
                return (IReadOnlyList<CachedClaim>)cached;
            },
            ct);

    /// <summary>Names what the cache registry lacks of an image; null for nothing, also for a reference that this version cannot
    /// read.</summary>
    /// <exception cref="CopyException">It did not answer.</exception>
    public async Task<string?> FindLoss(CachedClaim image, CancellationToken ct) =>
        ImageReference.TryParse(image.Name, out var name, out _) ? await inspector().FindLoss(name, ct) : null;

    /// <summary>Records a loss, and has others looked at.</summary>
    public async Task Record(CachedClaim image, string loss, string noticedBy, CancellationToken ct)
    {
        var isLost = await log.Execute(
            async transaction =>
            {
                var stream = await transaction.ReadImage(image.Name, ct);
                if (Decide(stream.State, image.Attempt, loss, noticedBy, await transaction.Now(ct)) is not { } fact)
                    return false;
                stream.Append(fact);
                return true;
            },
            ct);
        if (!isLost)
            return;
        metrics.CountVerifications("lost", 1);
        LogLost(image.Name, loss);
        await VerificationWork.MakeDue(postgres, OthersForEachLoss, ct);
    }

    [LoggerMessage(LogLevel.Warning, "{Image} is recorded as cached and is copied again: {Loss}")]
    private partial void LogLost(string image, string loss);
}
