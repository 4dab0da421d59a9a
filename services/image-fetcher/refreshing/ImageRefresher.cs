using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>
/// Compares a cached image with its origin, and copies what its tag names there now: the image stays cached by the previous digest until
/// the cache has all of the new one.
/// <para>1. Ask the origin, and copy. 2. Record a moved tag, or the answer where it is news.</para>
/// </summary>
public sealed partial class ImageRefresher(
    EventLogTransactions log, ImageCopier copier, OriginInspector origin, FetcherMetrics metrics, ILogger<ImageRefresher> logger)
{
    /// <summary>The same answer is recorded once in this time, so that a stream does not grow with each comparison.</summary>
    public static readonly TimeSpan BetweenRecords = TimeSpan.FromDays(1);

    /// <summary>The event to append; null for none.</summary>
    /// <param name="image">Its state.</param>
    /// <param name="attempt">The claim whose copy was compared.</param>
    /// <param name="answer">Of the origin.</param>
    /// <param name="now">UTC, by the database's clock.</param>
    public static object? Decide(ImageState image, long attempt, OriginAnswer answer, DateTimeOffset now)
    {
        if (!image.IsCached || image.Attempt != attempt)
            return null;   // evicted or copied again since
        if (answer.Copy is { } copy && DecideMoved(image, copy, answer.AskedAt, now) is { } moved)
            return moved;
        var isOther = answer.Kind != image.OriginAnswer;
        var isDue = answer.IsFinal && (isOther || image.OriginCheckedAt + BetweenRecords <= now);
        var isAwaited = image.RefreshRequestedAt is not null && !(image.RefreshRequestedAt > answer.AskedAt) && (answer.IsFinal || isOther);
        return isDue || isAwaited
            ? new OriginChecked(image.Image, answer.Kind, attempt, now) { Reason = answer.Reason, AskedAt = answer.AskedAt }
            : null;
    }

    /// <summary>The event of a tag that names another digest in the cache now than is recorded; null when it is the same, or when the image
    /// is not cached.</summary>
    /// <param name="image">Its state.</param>
    /// <param name="copy">The copy that the cache has under the tag.</param>
    /// <param name="askedAt">UTC: the origin was asked after this.</param>
    /// <param name="now">UTC, by the database's clock.</param>
    public static TagMoved? DecideMoved(ImageState image, CopiedImage copy, DateTimeOffset? askedAt, DateTimeOffset now) =>
        image is not { IsCached: true, Digest: { } previous } || previous == copy.Digest ? null : new TagMoved(
            image.Image, previous, copy.Digest, copy.MediaType, copy.Platforms, copy.MissingPlatforms, copy.SizeInBytes, copy.BytesCopied,
            copy.BytesAlreadyThere, copy.Duration, now)
        { Attempt = image.Attempt, AskedAt = askedAt };

    /// <summary>Compares one image with its origin.</summary>
    /// <param name="due">The image.</param>
    /// <param name="ct">Ends it; nothing is recorded then.</param>
    /// <returns>The origin's answer; null when the image is no longer cached by the claim that copied it.</returns>
    public async Task<OriginAnswer?> Refresh(DueRefresh due, CancellationToken ct)
    {
        // 1.
        var (image, attempt) = (due.Image, due.Attempt);
        if (await Ask(image, attempt, ct) is not { } received)
            return null;
        var answer = received with { AskedAt = due.TakenAt };

        // 2.
        var fact = await log.Execute(
            async transaction =>
            {
                var stream = await transaction.ReadImage(image, ct);
                var decided = Decide(stream.State, attempt, answer, await transaction.Now(ct));
                if (decided is not null)
                    stream.Append(decided);
                return decided;
            },
            ct);
        metrics.CountRefresh(fact is TagMoved ? FetcherMetrics.Moved : answer.Kind);
        if (fact is TagMoved moved)
            LogMoved(image, moved.PreviousDigest, moved.Digest, moved.BytesCopied);
        else if (answer.Reason is { } reason)
            LogNotServed(image, answer.Kind, reason);
        return answer;
    }

    private async Task<OriginAnswer?> Ask(string image, long attempt, CancellationToken ct)
    {
        if (!ImageReference.TryParse(image, out var name, out var problem))
            return new OriginAnswer(CopyException.Broken) { Reason = $"not an image reference: {problem}" };
        try
        {
            origin.Forget(name);
            if (name.Digest is null)
                return new OriginAnswer(OriginAnswers.Same)
                { Copy = await copier.Copy(name, stop => IsCachedBy(image, attempt, stop), ct) };
            await origin.EnsureServed(name, ct);
            return new OriginAnswer(OriginAnswers.Same);
        }
        catch (CopyException error) when (error.Kind == CopyException.Unwanted)
        {
            return null;
        }
        catch (CopyException error) when (error.Kind != CopyException.Stopping)
        {
            ct.ThrowIfCancellationRequested();
            return new OriginAnswer(error.Kind) { Reason = error.Message, RetryAfter = error.RetryAfter };
        }
    }

    // Asked under the repository's lock, which an eviction takes too. While Postgres is away it throws: the tag stays what it is.
    private Task<bool> IsCachedBy(string image, long attempt, CancellationToken ct) => log.Execute(
        async transaction => (await transaction.ReadImage(image, ct)).State is { IsCached: true } state && state.Attempt == attempt, ct);

    [LoggerMessage(LogLevel.Information, "{Image} has moved from {PreviousDigest} to {Digest}: {Copied} bytes copied")]
    private partial void LogMoved(string image, string previousDigest, string digest, long copied);

    [LoggerMessage(LogLevel.Warning, "{Image} could not be compared with its origin and is served as it was cached ({Kind}): {Reason}")]
    private partial void LogNotServed(string image, string kind, string reason);
}
