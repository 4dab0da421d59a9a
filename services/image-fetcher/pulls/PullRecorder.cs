using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>
/// Records a pull that the cache could not answer: of an image without a request, so that it is kept and expires like any other; of an
/// image that is recorded as cached, so that its loss is known. The pull does not wait for this, and nothing is lost without it: the copy
/// that the pull began is in the cache, and the next pull that misses records it again.
/// </summary>
public sealed partial class PullRecorder(EventLogTransactions log, ImageVerifier verifier, TimeProvider time, ILogger<PullRecorder> logger)
{
    /// <summary>How long Postgres may take. The copy does not wait for it, and a process that has just started on a busy machine needs
    /// seconds for its first transaction.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>The fact to record; null when the image is known.</summary>
    public static RequestedByPull? Decide(ImageState image, string name, DateTimeOffset now) =>
        image.IsWanted ? null : new RequestedByPull(name, now);

    /// <summary>Records the pull, if it is news and Postgres answers in time; otherwise says so in the log.</summary>
    public async Task Record(ImageReference image, CancellationToken ct)
    {
        var name = image.ToString();
        await Within(name, async limit =>
        {
            var cached = await log.Execute(async transaction =>
            {
                var stream = await transaction.ReadImage(name, limit);
                if (Decide(stream.State, name, time.GetUtcNow()) is { } requested)
                    stream.Append(requested);
                return stream.State.IsCached ? new CachedClaim(name, stream.State.Attempt) : null;
            }, limit);
            if (cached is not null && await verifier.FindLoss(cached, limit) is { } loss)
                await verifier.Record(cached, loss, "pull", limit);
        }, ct);
    }

    /// <summary>Records that a pull has changed what the cache has under a tag that is recorded with another digest: in mirror mode a pull
    /// asks the origin what the tag names.</summary>
    public async Task RecordCopy(ImageReference image, CopiedImage copy, CancellationToken ct)
    {
        var name = image.ToString();
        await Within(name, limit => log.Execute(async transaction =>
        {
            var stream = await transaction.ReadImage(name, limit);
            var now = await transaction.Now(limit);
            if (ImageRefresher.DecideMoved(stream.State, copy, now - copy.Duration, now) is { } moved)
                stream.Append(moved);
            return true;
        }, limit), ct);
    }

    private async Task Within(string image, Func<CancellationToken, Task> record, CancellationToken ct)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, ct);
        try
        {
            await record(limit.Token);
        }
        catch (CopyException error)
        {
            LogNotRecorded(image, error.Message);   // the cache registry does not answer
        }
        catch (Exception error)
            when (EventLogFault.IsOfPostgres(error) || (error is OperationCanceledException && !ct.IsCancellationRequested))
        {
            LogNotRecorded(image, EventLogFault.IsOfPostgres(error) ? EventLogFault.ReasonOf(error) : "Postgres did not answer in time");
        }
    }

    [LoggerMessage(LogLevel.Warning, "{Image} was pulled and is being kept, but could not be recorded: {Reason}")]
    private partial void LogNotRecorded(string image, string reason);
}
