using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using MassTransit;

namespace Kuik.ImageFetcher;

/// <summary>
/// Copies an image that was announced, once in the cluster.
/// Whatever ends the copy is recorded, with a time for the next attempt; only exceptions of the event log propagate, for the broker to
/// deliver again.
/// <para>1. Wait for its host's turn. 2. Decide from the image's stream, and claim it with a lease. 3. Copy, renewing the lease. 4. Record
/// what came of it.</para>
/// </summary>
public sealed partial class FetchImage(
    EventLogTransactions log, ImageCopier engine, CredentialCollector credentials, AcknowledgementDeadline announcements,
    InFlightImages underWay,
    LeaseRenewer lease, FetcherOptions options, FetcherMetrics metrics, ILogger<FetchImage> logger)
    : IConsumer<RequestedByPod>, IConsumer<RequestedByPerson>, IConsumer<RequestedByPull>, IConsumer<ImageLost>,
    IConsumer<RefreshRequested>,
        IConsumer<FetchDue>
{
    public Task Consume(ConsumeContext<RequestedByPod> context) => Begin(context.Message.Image, context);

    public Task Consume(ConsumeContext<RequestedByPerson> context) => Begin(context.Message.Image, context);

    public Task Consume(ConsumeContext<RequestedByPull> context) => Begin(context.Message.Image, context);

    public Task Consume(ConsumeContext<ImageLost> context) => Begin(context.Message.Image, context);

    /// <summary>A failed copy is made at once; an image that is cached is <see cref="TagRefreshService"/>'s.</summary>
    public Task Consume(ConsumeContext<RefreshRequested> context) => Begin(context.Message.Image, context);

    public Task Consume(ConsumeContext<FetchDue> context) => Begin(context.Message.Image, context);

    /// <summary>So many claims without an outcome in a row, and each further one, count as failures.</summary>
    public const int MostLostClaims = 3;

    /// <summary>Decides whether this replica copies the image now: the message only says where to look.</summary>
    /// <param name="image">Its state.</param>
    /// <param name="lease">The lease on its copy; null when the work table has none.</param>
    /// <param name="now">UTC, by the database's clock.</param>
    /// <param name="by">This replica's name. Its own lease, from before it was killed, is no obstacle.</param>
    public static FetchDecision Decide(ImageState image, WorkLease? lease, DateTimeOffset now, string by) => image.Phase switch
    {
        ImagePhase.Cached => FetchDecision.AlreadyCached,
        ImagePhase.Wanted => FetchDecision.Take,
        ImagePhase.Failed => image.RetryAt > now ? FetchDecision.NotYetDue : FetchDecision.Take,
        ImagePhase.Copying when image.By != by && WorkLease.IsHeld(image, lease, now) => FetchDecision.HeldByAnother,
        ImagePhase.Copying => IsLost(image, lease) && image.LostClaims >= MostLostClaims - 1
            ? FetchDecision.EndsReplicas
            : FetchDecision.Take,
        _ => FetchDecision.NotWanted,
    };

    /// <summary>The claim to record.</summary>
    public static ImageFetchStarted Claim(ImageState image, WorkLease? lease, string name, string by, TimeSpan length,
        DateTimeOffset now) =>
        new(name, by, now + length, now) { Attempt = image.Attempt + 1, FollowsLostClaim = IsLost(image, lease) };

    /// <summary>The event of a finished copy; null when its claim is no longer the current one.</summary>
    public static ImageCached? Cached(ImageState image, string name, CopiedImage copy, long attempt, DateTimeOffset now) =>
        !IsCurrent(image, attempt) ? null : new ImageCached(
            name, copy.Digest, copy.MediaType, copy.Platforms, copy.MissingPlatforms, copy.SizeInBytes, copy.BytesCopied,
            copy.BytesAlreadyThere, copy.Duration, now)
        { Attempt = attempt };

    /// <summary>The event of a failed copy; null when its claim is no longer the current one.</summary>
    public static ImageFetchFailed? Failed(ImageState image, string name, CopyException failure, long attempt, DateTimeOffset now) =>
        !IsCurrent(image, attempt) ? null : new ImageFetchFailed(
            name, failure.Kind, failure.Message, failure.RetryHelps, RetryAt(image, name, failure, now), now)
        {
            Attempt = attempt,
            OriginStatus = failure.Kind is CopyException.Cache or CopyException.Internal ? null : (int?)failure.Status,
        };

    // The origin may have been asked before a person did that during the copy.
    private static DateTimeOffset RetryAt(ImageState image, string name, CopyException failure, DateTimeOffset now) =>
        image.RefreshRequestedAt > image.ClaimedAt ? now + (failure.RetryAfter ?? TimeSpan.Zero)
            : FetchRetryPolicy.At(name, failure.Kind, image.Failures + 1, failure.RetryAfter, now);

    /// <summary>The event that is recorded instead of a claim when the claims before it had no outcome.</summary>
    public static ImageFetchFailed Lost(ImageState image, string name, DateTimeOffset now) => new(
        name, CopyException.Internal,
        $"image-fetcher began to copy this image {image.LostClaims + 1} times and recorded no outcome, the last time as {image.By}; "
            + "its log and its last termination may say why",
        RetryHelps: true, FetchRetryPolicy.At(name, CopyException.Internal, image.Failures + 1, null, now), now)
    { Attempt = image.Attempt };

    /// <summary>True while the claim is the current one: asked once more right before the tag is written.</summary>
    public static bool IsCurrent(ImageState image, long attempt) => image.Phase == ImagePhase.Copying && image.Attempt == attempt;

    // Not lost: one that was given back.
    private static bool IsLost(ImageState image, WorkLease? lease) =>
        image.Phase == ImagePhase.Copying && !(lease is { By: null } && lease.Attempt == image.Attempt);

    /// <summary>Handles one announcement of an image.</summary>
    /// <param name="image">The normalised reference.</param>
    /// <param name="cause">The event that announced it; null for none.</param>
    /// <param name="ct">Ends the copy; the lease is given back then.</param>
    public async Task Fetch(string image, Guid? cause, CancellationToken ct)
    {
        // A second announcement while this very process copies the image would pass the lease, which is its own.
        using var only = underWay.TryEnter(image);
        if (only is null)
            return;

        // 1. Wait.
        using var turn = await underWay.WaitForTurn(ImageReference.TryParse(image, out var name, out _) ? name.Host : "", ct);

        // 2. Decide and claim.
        var (decision, attempt) = await log.Execute(transaction => Claim(transaction, image, cause, ct), ct);
        if (decision != FetchDecision.Take)
        {
            LogLeft(image, decision);
            return;
        }

        // 3. Copy.
        Func<ImageState, DateTimeOffset, object?> outcome;
        try
        {
            outcome = await Copy(image, attempt, ct);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            await lease.GiveBack(image, attempt);
            throw;
        }

        // 4. Record.
        if (!await log.Execute(transaction => Record(transaction, image, outcome, cause, ct), ct))
            LogStale(image, attempt);
    }

    private Task Begin(string image, ConsumeContext announced) =>
        announcements.Process(image, stop => Fetch(image, announced.MessageId, stop), announced.CancellationToken);

    private async Task<(FetchDecision Decision, long Attempt)> Claim(EventLogTransaction transaction, string image, Guid? cause,
        CancellationToken ct)
    {
        transaction.CausedBy(cause);
        var lease = await WorkTable.FindLease(transaction.Connection, WorkKind.Fetch, image, ct);
        var stream = await transaction.ReadImage(image, ct);
        var now = await transaction.Now(ct);
        var decision = Decide(stream.State, lease, now, options.Name);
        if (decision == FetchDecision.Take)
        {
            stream.Append(Claim(stream.State, lease, image, options.Name, options.Lease, now));
            await WorkTable.Claim(transaction.Connection, WorkKind.Fetch, image, stream.State.Attempt, options.Name, options.Lease, ct);
        }
        else if (decision == FetchDecision.EndsReplicas)
            stream.Append(Lost(stream.State, image, now));
        return (decision, stream.State.Attempt);
    }

    /// <returns>Decides what to record from the state as it will be then.</returns>
    private async Task<Func<ImageState, DateTimeOffset, object?>> Copy(string image, long attempt, CancellationToken ct)
    {
        using var measurement = metrics.BeginCopy(image);
        try
        {
            var copy = await lease.While(image, attempt, () => CopyFromOrigin(image, attempt, ct));
            measurement.End(FetcherMetrics.Cached);
            LogCached(image, copy.BytesCopied, copy.BytesAlreadyThere, copy.Duration.TotalSeconds);
            return (state, now) => Cached(state, image, copy, attempt, now);
        }
        catch (CopyException error) when (error.Kind == CopyException.Unwanted)
        {
            return (_, _) => null;
        }
        catch (CopyException error)
        {
            ct.ThrowIfCancellationRequested();   // nothing is wrong with the image when this process stops
            var failure = error.Kind == CopyException.Refused ? await Explain(image, error, ct) : error;
            measurement.End(failure.Kind);
            if (failure is { Kind: CopyException.Internal, InnerException: { } fault })
                LogUnforeseen(image, ExceptionSummary.WithStack(fault));
            else
                LogFailed(image, failure.Kind, failure.Message);
            return (state, now) => Failed(state, image, failure, attempt, now);
        }
    }

    private async Task<CopiedImage> CopyFromOrigin(string image, long attempt, CancellationToken ct)
    {
        // A reference that an earlier version accepted may be in the log.
        if (!ImageReference.TryParse(image, out var name, out var problem))
            throw new CopyException(CopyException.Broken, $"not an image reference: {problem}", retryHelps: false);
        try
        {
            return await engine.Copy(name, stop => MayWriteTag(image, attempt, stop), ct);
        }
        catch (Exception error) when (error is not CopyException && !ct.IsCancellationRequested && !EventLogFault.IsOfPostgres(error))
        {
            throw CopyException.Unforeseen(error);
        }
    }

    // The sentence that says "refused" also names the pull secrets that were not there or could not be read.
    private async Task<CopyException> Explain(string image, CopyException refusal, CancellationToken ct)
    {
        var problems = await credentials.Rejected(ImageReference.Parse(image), ct);
        return problems.Count == 0 ? refusal : new CopyException(
            refusal.Kind, $"{refusal.Message}; {string.Join("; ", problems)}", refusal.RetryHelps, refusal.RetryAfter, refusal.Status,
            refusal);
    }

    // Asked under the repository's lock, which an eviction takes too: an image that has expired since gets no tag that nothing would
    // remove, and one that another replica has copied since keeps the tag that is recorded.
    private async Task<bool> MayWriteTag(string image, long attempt, CancellationToken ct)
    {
        try
        {
            return await log.Execute(async transaction => IsCurrent((await transaction.ReadImage(image, ct)).State, attempt), ct);
        }
        catch (Exception error) when (EventLogFault.MeansAway(error))
        {
            return true;   // nothing can have expired it either
        }
    }

    /// <returns>False when there was nothing to record: the claim is no longer the current one.</returns>
    private static async Task<bool> Record(EventLogTransaction transaction, string image, Func<ImageState, DateTimeOffset, object?> outcome,
        Guid? cause, CancellationToken ct)
    {
        transaction.CausedBy(cause);
        var stream = await transaction.ReadImage(image, ct);
        if (outcome(stream.State, await transaction.Now(ct)) is not { } fact)
            return false;
        stream.Append(fact);
        return true;
    }

    [LoggerMessage(LogLevel.Information, "{Image} was announced and is left alone: {Decision}")]
    private partial void LogLeft(string image, FetchDecision decision);

    [LoggerMessage(LogLevel.Information,
        "{Image}: the outcome of attempt {Attempt} is not recorded, because it is no longer the current one")]
    private partial void LogStale(string image, long attempt);

    [LoggerMessage(LogLevel.Information, "{Image} is cached: {Copied} bytes copied, {AlreadyThere} were there, in {Seconds:0.0} s")]
    private partial void LogCached(string image, long copied, long alreadyThere, double seconds);

    [LoggerMessage(LogLevel.Error, "{Image} could not be copied: {Fault}")]
    private partial void LogUnforeseen(string image, string fault);

    [LoggerMessage(LogLevel.Warning, "{Image} could not be copied ({Kind}): {Reason}")]
    private partial void LogFailed(string image, string kind, string reason);
}
