using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using MassTransit;

namespace Kuik.ImageFetcher;

/// <summary>What an announced fetch comes to.</summary>
public enum FetchDecision
{
    /// <summary>This replica takes the image on.</summary>
    Take,

    /// <summary>The cache can serve it.</summary>
    AlreadyCached,

    /// <summary>It has expired since, or nobody ever asked for it.</summary>
    NotWanted,

    /// <summary>Another replica is at it and has been heard of recently. If it dies, expiry announces the image again.</summary>
    HeldByAnother,

    /// <summary>Several replicas in a row have ended while they copied it, perhaps because of it: that is recorded as a failure.</summary>
    EndsReplicas,

    /// <summary>The last copy failed and its time to be tried again has not come; expiry announces it then.</summary>
    NotYetDue,
}

/// <summary>What the decisions about fetching read of an image's stream.</summary>
/// <param name="IsWanted">Somebody asked for it, and it has not expired since.</param>
/// <param name="IsCached">The cache can serve it. Not true of an expired image: it may leave at any moment.</param>
/// <param name="By">The replica that holds the lease; null when nobody does.</param>
/// <param name="LeaseUntil">UTC: when that replica is taken to be gone.</param>
/// <param name="Failures">Failed copies in a row.</param>
/// <param name="RetryAt">UTC: not before then; null when it may be copied at once.</param>
/// <param name="LostClaims">Claims that were followed by another one without an outcome between, since the last copy that ended in itself.</param>
public sealed record Fetching(bool IsWanted, bool IsCached, string? By, DateTimeOffset LeaseUntil, int Failures, DateTimeOffset? RetryAt, int LostClaims = 0)
{
    /// <summary>So many claims without an outcome in a row, and each further one, count as failures.</summary>
    public const int MostLostClaims = 3;

    /// <summary>Nobody has asked for the image.</summary>
    public static readonly Fetching Nothing = new(IsWanted: false, IsCached: false, By: null, LeaseUntil: default, Failures: 0, RetryAt: null);

    /// <summary>The state after one more fact.</summary>
    public static Fetching Fold(Fetching image, object fact) => fact switch
    {
        RequestedByPod or RequestedByPerson or RequestedByPull => image with { IsWanted = true, Failures = 0, RetryAt = null },
        FetchDue => image with { RetryAt = null },
        ImageFetchStarted { IsRenewal: true } renewed => image with { By = renewed.By, LeaseUntil = renewed.LeaseUntil },
        ImageFetchStarted returned when returned.LeaseUntil <= returned.StartedAt => image with { By = null },
        ImageFetchStarted started => image with { By = started.By, LeaseUntil = started.LeaseUntil, LostClaims = image.LostClaims + (image.By is null ? 0 : 1) },
        ImageCached => image with { IsCached = true, By = null, Failures = 0, RetryAt = null, LostClaims = 0 },
        // A failure of the kind internal may be that of a claim without an outcome.
        ImageFetchFailed failed => image with
        {
            By = null, Failures = image.Failures + 1, RetryAt = failed.RetryAt, LostClaims = failed.Kind == CopyFailed.Internal ? image.LostClaims : 0,
        },
        ImageExpired => image with { IsWanted = false, IsCached = false, Failures = 0, RetryAt = null, LostClaims = 0 },
        ImageEvicted => image with { IsCached = false },
        _ => image,
    };
}

/// <summary>
/// Copies an image that was announced, once in the cluster.
/// Whatever ends the copy is recorded, with a time for the next attempt; only exceptions of the event log propagate, for the broker to
/// deliver again.
/// <para>1. Wait for its host's turn. 2. Decide from the image's stream, and claim it with a lease. 3. Copy, renewing the lease. 4. Record what came of it.</para>
/// </summary>
public sealed partial class FetchImage(
    EventLogTransactions log, CopyImage engine, EvictImage evict, CollectCredentials credentials, HoldAnnouncements announcements, ImagesUnderWay underWay,
    KeepLease lease, FetcherSettings settings, FetcherMetrics metrics, ILogger<FetchImage> logger)
    : IConsumer<RequestedByPod>, IConsumer<RequestedByPerson>, IConsumer<RequestedByPull>, IConsumer<FetchDue>
{
    public Task Consume(ConsumeContext<RequestedByPod> context) => Begin(context.Message.Image, context);

    public Task Consume(ConsumeContext<RequestedByPerson> context) => Begin(context.Message.Image, context);

    public Task Consume(ConsumeContext<RequestedByPull> context) => Begin(context.Message.Image, context);

    public Task Consume(ConsumeContext<FetchDue> context) => Begin(context.Message.Image, context);

    /// <summary>Is this replica to copy the image now? Decided from the stream alone: the message only says where to look.</summary>
    /// <param name="image">The fold of its stream.</param>
    /// <param name="now">UTC.</param>
    /// <param name="by">This replica's name. Its own lease, from before it was killed, does not hold it up.</param>
    public static FetchDecision Decide(Fetching image, DateTimeOffset now, string by) => image switch
    {
        { IsWanted: false } => FetchDecision.NotWanted,
        { IsCached: true } => FetchDecision.AlreadyCached,
        { By: { } holder } when holder != by && image.LeaseUntil > now => FetchDecision.HeldByAnother,
        { RetryAt: { } due } when due > now => FetchDecision.NotYetDue,
        { By: not null, LostClaims: >= Fetching.MostLostClaims - 1 } => FetchDecision.EndsReplicas,
        _ => FetchDecision.Take,
    };

    /// <summary>What a finished copy adds to the stream; null when another replica has recorded one since.</summary>
    public static ImageCached? Cached(Fetching image, string name, CopiedImage copy, DateTimeOffset now) => image is { IsWanted: true, IsCached: true } ? null : new ImageCached(
        name, copy.Digest, copy.MediaType, copy.Platforms, copy.MissingPlatforms, copy.SizeInBytes, copy.BytesCopied, copy.BytesAlreadyThere, copy.Duration, now);

    /// <summary>What a failed copy adds to the stream; null when the image is no longer ours to report on.</summary>
    public static ImageFetchFailed? Failed(Fetching image, string name, CopyFailed failure, string by, DateTimeOffset now) => image.By != by ? null : new ImageFetchFailed(
        name, failure.Kind, failure.Message, failure.RetryHelps, RetryFetch.At(name, failure.Kind, image.Failures + 1, failure.RetryAfter, now), now);

    /// <summary>What is added to the stream instead of a claim when the claims before it had no outcome.</summary>
    public static ImageFetchFailed Lost(Fetching image, string name, DateTimeOffset now) => new(
        name, CopyFailed.Internal, $"image-fetcher began to copy this image {image.LostClaims + 1} times and recorded no outcome, the last time as {image.By}; its log and its last termination may say why",
        RetryHelps: true, RetryFetch.At(name, CopyFailed.Internal, image.Failures + 1, null, now), now);

    /// <summary>Handles one announcement of an image.</summary>
    /// <param name="image">The normalised reference.</param>
    /// <param name="cause">The event that announced it; null for none.</param>
    /// <param name="ct">Ends the copy; the lease is given back then.</param>
    public async Task Run(string image, Guid? cause, CancellationToken ct)
    {
        // A second announcement while this very process copies the image would pass the lease, which is its own.
        using var only = underWay.TryEnter(image);
        if (only is null)
            return;

        // 1. Wait.
        using var turn = await underWay.WaitForTurn(ImageReference.TryParse(image, out var name, out _) ? name.Host : "", ct);

        // 2. Decide and claim.
        var decision = await log.Run(transaction => Claim(transaction, image, cause, ct), ct);
        if (decision != FetchDecision.Take)
        {
            LogLeft(image, decision);
            return;
        }

        // 3. Copy.
        Func<Fetching, DateTimeOffset, object?> outcome;
        try
        {
            outcome = await Copy(image, ct);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            await lease.GiveBack(image);
            throw;
        }

        // 4. Record.
        var hasExpired = await log.Run(transaction => Record(transaction, image, outcome, cause, ct), ct);
        if (hasExpired)
            await evict.Run(image, cause, ct);
    }

    private Task Begin(string image, ConsumeContext announced) => announcements.Run(image, stop => Run(image, announced.MessageId, stop), announced.CancellationToken);

    private async Task<FetchDecision> Claim(EventLogTransaction transaction, string image, Guid? cause, CancellationToken ct)
    {
        transaction.CausedBy(cause);
        var stream = await transaction.Read(StreamName.OfImage(image), Fetching.Nothing, Fetching.Fold, ct);
        var now = await transaction.Now(ct);
        var decision = Decide(stream.State, now, settings.Name);
        if (decision == FetchDecision.Take)
            stream.Append(new ImageFetchStarted(image, settings.Name, now + settings.Lease, now));
        else if (decision == FetchDecision.EndsReplicas)
            stream.Append(Lost(stream.State, image, now));
        return decision;
    }

    /// <returns>Decides what to record from the stream as it will be then.</returns>
    private async Task<Func<Fetching, DateTimeOffset, object?>> Copy(string image, CancellationToken ct)
    {
        try
        {
            var copy = await lease.While(image, () => CopyFromOrigin(image, ct));
            metrics.CountCopy("cached");
            LogCached(image, copy.BytesCopied, copy.BytesAlreadyThere, copy.Duration.TotalSeconds);
            return (state, now) => Cached(state, image, copy, now);
        }
        catch (CopyFailed error)
        {
            ct.ThrowIfCancellationRequested();   // nothing is wrong with the image when this process stops
            var failure = error.Kind == CopyFailed.Refused ? await Explain(image, error, ct) : error;
            metrics.CountCopy(failure.Kind);
            if (failure is { Kind: CopyFailed.Internal, InnerException: { } fault })
                LogUnforeseen(image, ExceptionSummary.WithStack(fault));
            else
                LogFailed(image, failure.Kind, failure.Message);
            return (state, now) => Failed(state, image, failure, settings.Name, now);
        }
    }

    private async Task<CopiedImage> CopyFromOrigin(string image, CancellationToken ct)
    {
        // A reference that an earlier version accepted may be in the log.
        if (!ImageReference.TryParse(image, out var name, out var problem))
            throw new CopyFailed(CopyFailed.Broken, $"not an image reference: {problem}", retryHelps: false);
        try
        {
            return await engine.Run(name, ct);
        }
        catch (Exception error) when (error is not CopyFailed && !ct.IsCancellationRequested && !EventLogFault.IsOfPostgres(error))
        {
            throw CopyFailed.Unforeseen(error);
        }
    }

    // Whoever reads "refused" should learn in the same sentence which pull secret was not there or could not be read.
    private async Task<CopyFailed> Explain(string image, CopyFailed refusal, CancellationToken ct)
    {
        var problems = await credentials.Rejected(ImageReference.Parse(image), ct);
        return problems.Count == 0 ? refusal : new CopyFailed(
            refusal.Kind, $"{refusal.Message}; {string.Join("; ", problems)}", refusal.RetryHelps, refusal.RetryAfter, refusal.Status, refusal);
    }

    /// <returns>Whether the image expired while it was copied, so that its tag has to go again.</returns>
    private static async Task<bool> Record(EventLogTransaction transaction, string image, Func<Fetching, DateTimeOffset, object?> outcome, Guid? cause, CancellationToken ct)
    {
        transaction.CausedBy(cause);
        var stream = await transaction.Read(StreamName.OfImage(image), Fetching.Nothing, Fetching.Fold, ct);
        if (outcome(stream.State, await transaction.Now(ct)) is not { } fact)
            return false;
        stream.Append(fact);
        return fact is ImageCached && !stream.State.IsWanted;
    }

    [LoggerMessage(LogLevel.Information, "{Image} was announced and is left alone: {Decision}")]
    private partial void LogLeft(string image, FetchDecision decision);

    [LoggerMessage(LogLevel.Information, "{Image} is cached: {Copied} bytes copied, {AlreadyThere} were there, in {Seconds:0.0} s")]
    private partial void LogCached(string image, long copied, long alreadyThere, double seconds);

    [LoggerMessage(LogLevel.Error, "{Image} could not be copied: {Fault}")]
    private partial void LogUnforeseen(string image, string fault);

    [LoggerMessage(LogLevel.Warning, "{Image} could not be copied ({Kind}): {Reason}")]
    private partial void LogFailed(string image, string kind, string reason);
}

/// <summary>How announcements reach <see cref="FetchImage"/>: all replicas take from one queue.</summary>
public sealed class FetchImageDefinition : ConsumerDefinition<FetchImage>
{
    private readonly int messages;

    /// <summary>A few more than are held, so that there is always one to be taken for a host that has nothing to do.</summary>
    public FetchImageDefinition(FetcherSettings settings) => ConcurrentMessageLimit = messages = HoldAnnouncements.MostHeld(settings) + 3;

    protected override void ConfigureConsumer(IReceiveEndpointConfigurator endpointConfigurator, IConsumerConfigurator<FetchImage> consumerConfigurator, IRegistrationContext context)
    {
        // No more than are worked on: what waits here cannot be taken by another replica.
        endpointConfigurator.PrefetchCount = messages;
        // What fails again and again is open in its stream, and expiry announces it again: a queue of errors that nobody reads would only grow.
        endpointConfigurator.DiscardFaultedMessages();
    }
}
