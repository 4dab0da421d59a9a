using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using MassTransit;

namespace Kuik.ImageFetcher;

/// <summary>What an announced eviction comes to.</summary>
public enum EvictDecision
{
    /// <summary>This replica removes the image's tag.</summary>
    Take,

    /// <summary>The image has not expired, or somebody asked for it since.</summary>
    NotExpired,

    /// <summary>The tag has been removed.</summary>
    AlreadyEvicted,

    /// <summary>Another replica is at it and has been heard of recently.</summary>
    HeldByAnother,
}

/// <summary>What the decisions about evicting read of an image's stream.</summary>
/// <param name="IsExpired">It expired, and nobody has asked for it or used it since.</param>
/// <param name="IsEvicted">Its tag has been removed and not been written again.</param>
/// <param name="By">The replica that is removing it; null when nobody is.</param>
/// <param name="LeaseUntil">UTC: when that replica is taken to be gone.</param>
public sealed record Evicting(bool IsExpired, bool IsEvicted, string? By, DateTimeOffset LeaseUntil)
{
    /// <summary>The image is not known.</summary>
    public static readonly Evicting Nothing = new(IsExpired: false, IsEvicted: false, By: null, LeaseUntil: default);

    /// <summary>The state after one more fact.</summary>
    public static Evicting Fold(Evicting image, object fact) => fact switch
    {
        RequestedByPod or RequestedByPerson or RequestedByPull or ImageUsedAgain or ImageRetained => image with { IsExpired = false },
        ImageExpired => image with { IsExpired = true, IsEvicted = false },
        ImageEvictionStarted started => image with { By = started.By, LeaseUntil = started.LeaseUntil },
        ImageEvicted => image with { IsEvicted = true, By = null },
        // A copy that was under way when the image expired has written the tag: whoever was removing it may have been too early.
        ImageCached => image with { IsEvicted = false, By = null },
        _ => image,
    };
}

/// <summary>
/// Removes an expired image's tag from the cache, once in the cluster. A failed eviction stays open in the image's stream and is
/// announced again by expiry.
/// <para>1. Decide and claim. 2. Under the repository's lock: decide again, remove the tag. 3. Record, and note that what only it held is to be swept.</para>
/// </summary>
public sealed partial class EvictImage(
    EventLogTransactions log, CopyEngine.EvictImage engine, LockRepositories locks, ImagesUnderWay underWay, FetcherSettings settings,
    FetcherMetrics metrics, ILogger<EvictImage> logger)
    : IConsumer<ImageExpired>, IConsumer<EvictionDue>
{
    public Task Consume(ConsumeContext<ImageExpired> context) => Run(context.Message.Image, context.MessageId, context.CancellationToken);

    public Task Consume(ConsumeContext<EvictionDue> context) => Run(context.Message.Image, context.MessageId, context.CancellationToken);

    /// <summary>Is this replica to remove the image's tag now? Decided from the stream alone, and once more right before the tag is removed.</summary>
    /// <param name="image">The fold of its stream.</param>
    /// <param name="now">UTC.</param>
    /// <param name="by">This replica's name. Its own lease does not hold it up.</param>
    public static EvictDecision Decide(Evicting image, DateTimeOffset now, string by) => image switch
    {
        { IsExpired: false } => EvictDecision.NotExpired,
        { IsEvicted: true } => EvictDecision.AlreadyEvicted,
        { By: { } holder } when holder != by && image.LeaseUntil > now => EvictDecision.HeldByAnother,
        _ => EvictDecision.Take,
    };

    /// <summary>Handles one announcement.</summary>
    /// <param name="image">The normalised reference.</param>
    /// <param name="cause">The event that announced it; null for none.</param>
    /// <param name="ct">Ends it; the announcement is to be delivered again then.</param>
    public async Task Run(string image, Guid? cause, CancellationToken ct)
    {
        using var turn = underWay.TryEnter("evict " + image);
        if (turn is null)
            return;

        // 1. Decide and claim.
        var decision = await log.Run(transaction => Claim(transaction, image, cause, ct), ct);
        if (decision != EvictDecision.Take)
        {
            LogLeft(image, decision);
            return;
        }

        // 2. Remove the tag.
        if (await TryRemove(image, ct) is not { } isRemoved)
            return;
        if (!isRemoved)
        {
            LogLeft(image, EvictDecision.NotExpired);
            return;
        }

        // 3. Record.
        await log.Run(transaction => Record(transaction, image, cause, ct), ct);
        metrics.CountEviction("evicted");
    }

    /// <returns>Whether the tag was removed; null when that failed, which is logged.</returns>
    private async Task<bool?> TryRemove(string image, CancellationToken ct)
    {
        try
        {
            var name = ImageReference.Parse(image);
            return await engine.Run(name, stop => IsStillExpired(name, stop), ct);
        }
        catch (CopyFailed failure)
        {
            ct.ThrowIfCancellationRequested();
            metrics.CountEviction(failure.Kind);
            LogFailed(image, failure.Message);
            return null;
        }
        catch (Exception error) when (!ct.IsCancellationRequested && !EventLogFault.IsOfPostgres(error)
            && !EventLogFault.MeansUnreadable(error))
        {
            metrics.CountEviction(CopyFailed.Internal);
            LogUnforeseen(image, ExceptionSummary.WithStack(error));
            return null;
        }
    }

    private async Task<EvictDecision> Claim(EventLogTransaction transaction, string image, Guid? cause, CancellationToken ct)
    {
        transaction.CausedBy(cause);
        var stream = await transaction.Read(StreamName.OfImage(image), Evicting.Nothing, Evicting.Fold, ct);
        var now = await transaction.Now(ct);
        var decision = Decide(stream.State, now, settings.Name);
        if (decision == EvictDecision.Take)
            stream.Append(new ImageEvictionStarted(image, settings.Name, now + settings.Lease, now));
        return decision;
    }

    // Unlike a copy, an eviction does not go on without the lock, nor beside a copy that does.
    private async Task<bool> IsStillExpired(ImageReference image, CancellationToken ct)
    {
        if (locks.IsGoingWithout(CachePath.Of(image)))
            return false;
        return await log.Run(async transaction =>
        {
            var stream = await transaction.Read(StreamName.OfImage(image.ToString()), Evicting.Nothing, Evicting.Fold, ct);
            return Decide(stream.State, await transaction.Now(ct), settings.Name) == EvictDecision.Take;
        }, ct);
    }

    private async Task Record(EventLogTransaction transaction, string image, Guid? cause, CancellationToken ct)
    {
        transaction.CausedBy(cause);
        var stream = await transaction.Read(StreamName.OfImage(image), Evicting.Nothing, Evicting.Fold, ct);
        await PendingSweeps.Note(transaction.Connection, CachePath.Of(ImageReference.Parse(image)), ct);
        if (stream.State.By == settings.Name)   // otherwise a copy has written the tag again since the claim, and has the last word
            stream.Append(new ImageEvicted(image, await transaction.Now(ct)));
    }

    [LoggerMessage(LogLevel.Warning, "{Image} could not be evicted and is announced again: {Reason}")]
    private partial void LogFailed(string image, string reason);

    [LoggerMessage(LogLevel.Error, "{Image} could not be evicted and is announced again: {Fault}")]
    private partial void LogUnforeseen(string image, string fault);

    [LoggerMessage(LogLevel.Information, "{Image} was announced to be evicted and is left alone: {Decision}")]
    private partial void LogLeft(string image, EvictDecision decision);
}

/// <summary>How announcements reach <see cref="EvictImage"/>: all replicas take from one queue.</summary>
public sealed class EvictImageDefinition : ConsumerDefinition<EvictImage>
{
    // An eviction is a few small requests; two at a time let it wait for a repository's lock without holding up the others.
    private const int Evictions = 2;

    public EvictImageDefinition() => ConcurrentMessageLimit = Evictions;

    protected override void ConfigureConsumer(IReceiveEndpointConfigurator endpointConfigurator, IConsumerConfigurator<EvictImage> consumerConfigurator, IRegistrationContext context)
    {
        endpointConfigurator.PrefetchCount = Evictions;
        // An eviction that fails again and again is open in its stream, and expiry announces it again.
        endpointConfigurator.DiscardFaultedMessages();
    }
}
