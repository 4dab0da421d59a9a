using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using MassTransit;

namespace Kuik.ImageFetcher;

/// <summary>The decision on an announced eviction.</summary>
public enum EvictDecision
{
    /// <summary>This replica removes the image's tag.</summary>
    Take,

    /// <summary>The image has not expired, or was requested since.</summary>
    NotExpired,

    /// <summary>The tag has been removed.</summary>
    AlreadyEvicted,

    /// <summary>Another replica is at it and has been heard of recently.</summary>
    HeldByAnother,
}

/// <summary>
/// Removes an expired image's tag from the cache, once in the cluster. A failed eviction stays open in the image's stream and is
/// announced again by expiry.
/// <para>1. Decide and claim. 2. Under the repository's lock: decide again, remove the tag. 3. Record, and note that what only it held is
/// to be swept.</para>
/// </summary>
public sealed partial class EvictImage(
    EventLogTransactions log, CopyEngine.TagEviction engine, RepositoryLockProvider locks, InFlightImages underWay, LeaseRenewer lease,
    FetcherOptions options, FetcherMetrics metrics, ILogger<EvictImage> logger)
    : IConsumer<ImageExpired>, IConsumer<EvictionDue>
{
    public Task Consume(ConsumeContext<ImageExpired> context) => Evict(context.Message.Image, context.MessageId, context.CancellationToken);

    public Task Consume(ConsumeContext<EvictionDue> context) => Evict(context.Message.Image, context.MessageId, context.CancellationToken);

    /// <summary>Decides whether this replica removes the image's tag now.</summary>
    /// <param name="image">Its state.</param>
    /// <param name="lease">The lease on its removal; null when the work table has none.</param>
    /// <param name="now">UTC, by the database's clock.</param>
    /// <param name="by">This replica's name. Its own lease is no obstacle.</param>
    public static EvictDecision Decide(ImageState image, WorkLease? lease, DateTimeOffset now, string by) => image.Phase switch
    {
        ImagePhase.Leaving => EvictDecision.Take,
        ImagePhase.Removing when image.By != by && WorkLease.IsHeld(image, lease, now) => EvictDecision.HeldByAnother,
        ImagePhase.Removing => EvictDecision.Take,
        ImagePhase.Gone => EvictDecision.AlreadyEvicted,
        _ => EvictDecision.NotExpired,
    };

    /// <summary>True when this claim is the current one: asked once more right before the tag is removed.</summary>
    public static bool IsCurrent(ImageState image, long attempt) => image.Phase == ImagePhase.Removing && image.Attempt == attempt;

    /// <summary>Handles one announcement.</summary>
    /// <param name="image">The normalised reference.</param>
    /// <param name="cause">The event that announced it; null for none.</param>
    /// <param name="ct">Ends it; the announcement is to be delivered again then.</param>
    public async Task Evict(string image, Guid? cause, CancellationToken ct)
    {
        using var turn = underWay.TryEnter("evict " + image);
        if (turn is null)
            return;

        // 1. Decide and claim.
        var (decision, attempt) = await log.Execute(transaction => Claim(transaction, image, cause, ct), ct);
        if (decision != EvictDecision.Take)
        {
            LogLeft(image, decision);
            return;
        }

        // 2. Remove the tag.
        if (await TryRemove(image, attempt, ct) is not { } isRemoved)
        {
            await lease.PutOff(image, attempt);
            return;
        }
        if (!isRemoved)
        {
            LogLeft(image, EvictDecision.NotExpired);
            return;
        }

        // 3. Record.
        await log.Execute(transaction => Record(transaction, image, attempt, cause, ct), ct);
        metrics.CountEviction(FetcherMetrics.Evicted);
    }

    /// <returns>True when the tag was removed, false when it was not; null when that failed, which is logged.</returns>
    private async Task<bool?> TryRemove(string image, long attempt, CancellationToken ct)
    {
        try
        {
            var name = ImageReference.Parse(image);
            return await engine.Evict(name, stop => IsStillExpired(name, attempt, stop), ct);
        }
        catch (CopyException failure)
        {
            ct.ThrowIfCancellationRequested();
            metrics.CountEviction(failure.Kind);
            LogFailed(image, failure.Message);
            return null;
        }
        catch (Exception error) when (!ct.IsCancellationRequested && !EventLogFault.IsOfPostgres(error)
            && !EventLogFault.MeansUnreadable(error))
        {
            metrics.CountEviction(CopyException.Internal);
            LogUnforeseen(image, ExceptionSummary.WithStack(error));
            return null;
        }
    }

    private async Task<(EvictDecision Decision, long Attempt)> Claim(EventLogTransaction transaction, string image, Guid? cause,
        CancellationToken ct)
    {
        transaction.CausedBy(cause);
        var held = await WorkTable.FindLease(transaction.Connection, WorkKind.Evict, image, ct);
        var stream = await transaction.ReadImage(image, ct);
        var now = await transaction.Now(ct);
        var decision = Decide(stream.State, held, now, options.Name);
        if (decision == EvictDecision.Take)
        {
            stream.Append(new ImageEvictionStarted(image, options.Name, now + options.Lease, now) { Attempt = stream.State.Attempt + 1 });
            await WorkTable.Claim(transaction.Connection, WorkKind.Evict, image, stream.State.Attempt, options.Name, options.Lease, ct);
        }
        return (decision, stream.State.Attempt);
    }

    // Unlike a copy, an eviction does not go on without the lock, nor beside a copy that does.
    private async Task<bool> IsStillExpired(ImageReference image, long attempt, CancellationToken ct)
    {
        if (locks.IsGoingWithout(CachePath.Of(image)))
            return false;
        return await log.Execute(async transaction => IsCurrent((await transaction.ReadImage(image.ToString(), ct)).State, attempt), ct);
    }

    private static async Task Record(EventLogTransaction transaction, string image, long attempt, Guid? cause, CancellationToken ct)
    {
        transaction.CausedBy(cause);
        var stream = await transaction.ReadImage(image, ct);
        await PendingSweeps.Note(transaction.Connection, CachePath.Of(ImageReference.Parse(image)), ct);
        if (!IsCurrent(stream.State, attempt))
            return;   // requested again since: the next copy writes the tag again
        await ImagePulls.Forget(transaction.Connection, image, ct);
        stream.Append(new ImageEvicted(image, await transaction.Now(ct))
        {
            Attempt = attempt,
            Digest = stream.State.Digest,
            SizeInBytes = stream.State.SizeInBytes,
        });
    }

    [LoggerMessage(LogLevel.Warning, "{Image} could not be evicted and is announced again: {Reason}")]
    private partial void LogFailed(string image, string reason);

    [LoggerMessage(LogLevel.Error, "{Image} could not be evicted and is announced again: {Fault}")]
    private partial void LogUnforeseen(string image, string fault);

    [LoggerMessage(LogLevel.Information, "{Image} was announced to be evicted and is left alone: {Decision}")]
    private partial void LogLeft(string image, EvictDecision decision);
}
