namespace Kuik.Contracts;

/// <content>The transitions.</content>
public sealed partial record ImageState
{
    /// <summary>The state after one more event; the same instance when the event changes nothing: it is stale, repeated, or of another
    /// stream.</summary>
    public static ImageState Fold(ImageState state, object fact) => fact switch
    {
        RequestedByPod e => state.Requested(e.Image),
        RequestedByPerson e => state.Requested(e.Image),
        RequestedByPull e => state.Requested(e.Image),
        ImageFetchStarted e => state.FetchStarted(e),
        ImageCached e when state.CompletesCopy(e.Attempt) => state.Cached(e),
        ImageAdopted e when state.CanBeAdopted && state.IsNew(e.Attempt) => state.Adopted(e),
        ImageFetchFailed e when state.CompletesCopy(e.Attempt) => state.FetchFailed(e),
        ImageLost e when state.IsCached && e.Attempt == state.Attempt => state.NotCached(),
        TagMoved e when state.IsCached && e.Attempt == state.Attempt => state.Moved(e),
        OriginChecked e when state.IsCached && e.Attempt == state.Attempt => state.Checked(e),
        ImageExpired e when state.IsWanted && !state.IsRetained => state.Expired(e.Image),
        ImageEvictionStarted e when state.IsLeaving && state.IsNew(e.Attempt) => state with
        {
            Phase = ImagePhase.Removing,
            Attempt = state.Next(e.Attempt),
            By = e.By,
            LeaseUntil = e.LeaseUntil,
        },
        ImageEvicted e when state.CompletesRemoval(e.Attempt) =>
            state with { Phase = ImagePhase.Gone, By = null, Digest = null, SizeInBytes = null, ReplacedDigests = null },
        _ => state.AfterIntent(fact),
    };

    private ImageState AfterIntent(object fact) => fact switch
    {
        ImageNamed e => this with { Image = e.Image, ObjectName = e.ObjectName },
        ImageRetained e => WithoutExpiry() with { Image = e.Image, IsRetained = true },
        ImageReleased when IsRetained => this with { IsRetained = false },
        ImageExpirySet e when IsWanted && !IsRetained && ExpiresAt != e.ExpiresAt =>
            this with { ExpiresAt = e.ExpiresAt, ExpirySetIn = e.ObjectUid },
        ImageExpiryRemoved when ExpiresAt is not null => this with { ExpiresAt = null, ExpirySetIn = null },
        ImageUnused e when CanBecomeUnused => this with { UnusedSince = e.Since },
        ImageUsedAgain when UnusedSince is not null || ExpiresAt is not null || IsForgotten => WithoutExpiry(),
        RefreshRequested e when IsWanted && RefreshRequestedAt != e.RequestedAt =>
            (Phase == ImagePhase.Failed ? NotCached() : this) with { RefreshRequestedAt = e.RequestedAt },
        ImageForgotten when IsWanted && !IsRetained && !IsForgotten => this with { IsForgotten = true },
        _ => this,
    };

    // An image that is leaving is not known to be cached: its tag may be gone already although that is not recorded.
    private ImageState Requested(string image)
    {
        var used = WithoutExpiry() with { Image = image };
        return Phase is ImagePhase.Wanted or ImagePhase.Copying or ImagePhase.Cached ? used : used.NotCached();
    }

    private ImageState WithoutExpiry() =>
        this with { UnusedSince = null, ExpiresAt = null, ExpirySetIn = null, IsForgotten = false };

    private ImageState NotCached() => this with
    {
        Phase = ImagePhase.Wanted,
        By = null,
        Failures = 0,
        RetryAt = null,
        IsRefused = false,
        Digest = null,
        SizeInBytes = null,
        OriginAnswer = null,
        OriginCheckedAt = null,
    };

    private ImageState FetchStarted(ImageFetchStarted e)
    {
        var isOfEarlierVersion = e.Attempt == 0;
        return this switch
        {
            _ when e.IsRenewal => Phase == ImagePhase.Copying && By == e.By ? this with { LeaseUntil = e.LeaseUntil } : this,
            // Earlier versions recorded a lease that was given back as one that ends when it starts.
            _ when isOfEarlierVersion && e.LeaseUntil <= e.StartedAt =>
                Phase == ImagePhase.Copying && By == e.By ? this with { Phase = ImagePhase.Wanted, By = null } : this,
            { Phase: ImagePhase.Wanted or ImagePhase.Copying or ImagePhase.Failed } when IsNew(e.Attempt) => this with
            {
                Phase = ImagePhase.Copying,
                Attempt = Next(e.Attempt),
                By = e.By,
                LeaseUntil = e.LeaseUntil,
                ClaimedAt = e.StartedAt,
                RetryAt = null,
                LostClaims = LostClaims + (e.FollowsLostClaim || (isOfEarlierVersion && Phase == ImagePhase.Copying) ? 1 : 0),
            },
            _ => this,
        };
    }

    private ImageState Cached(ImageCached e) => this with
    {
        Phase = ImagePhase.Cached,
        By = null,
        Failures = 0,
        RetryAt = null,
        IsRefused = false,
        LostClaims = 0,
        Digest = e.Digest,
        SizeInBytes = e.SizeInBytes,
        OriginAnswer = OriginAnswers.Same,
        OriginCheckedAt = e.CachedAt,
        RefreshRequestedAt = RequestAfter(ClaimedAt),
    };

    private ImageState Moved(TagMoved e) => this with
    {
        Digest = e.Digest,
        SizeInBytes = e.SizeInBytes,
        OriginAnswer = OriginAnswers.Same,
        OriginCheckedAt = e.MovedAt,
        RefreshRequestedAt = RequestAfter(e.AskedAt),
        ReplacedDigests = [.. (ReplacedDigests ?? []).Append(e.PreviousDigest).Where(digest => digest != e.Digest).Distinct()
            .TakeLast(MostReplacedDigests)],
    };

    private ImageState Checked(OriginChecked e) => this with
    {
        OriginAnswer = e.Answer,
        OriginCheckedAt = e.CheckedAt,
        RefreshRequestedAt = OriginAnswers.IsFinal(e.Answer) ? RequestAfter(e.AskedAt) : RefreshRequestedAt,
    };

    private DateTimeOffset? RequestAfter(DateTimeOffset? asked) => RefreshRequestedAt > asked ? RefreshRequestedAt : null;

    private ImageState Adopted(ImageAdopted e) => NotCached() with
    {
        Image = e.Image,
        Phase = ImagePhase.Cached,
        Attempt = e.Attempt,
        LostClaims = 0,
        Digest = e.Digest,
        SizeInBytes = e.SizeInBytes,
    };

    // A failure of the kind internal may be that of claims without an outcome, which go on being counted.
    private ImageState FetchFailed(ImageFetchFailed e) => this with
    {
        Phase = ImagePhase.Failed,
        By = null,
        Failures = Failures + 1,
        RetryAt = e.RetryAt,
        IsRefused = !e.RetryHelps,
        LostClaims = e.Kind == "internal" ? LostClaims : 0,
    };

    private ImageState Expired(string image) => WithoutExpiry() with
    {
        Image = image,
        Phase = ImagePhase.Leaving,
        By = null,
        Failures = 0,
        RetryAt = null,
        IsRefused = false,
        LostClaims = 0,
        OriginAnswer = null,
        OriginCheckedAt = null,
        RefreshRequestedAt = null,
    };

    // Outcomes of earlier versions have no number: they count as those of the current claim.
    private bool CompletesCopy(long attempt) => attempt == 0
        ? Phase is ImagePhase.Wanted or ImagePhase.Copying or ImagePhase.Failed
        : Phase == ImagePhase.Copying && attempt == Attempt;

    private bool CompletesRemoval(long attempt) => attempt == 0 ? IsLeaving : Phase == ImagePhase.Removing && attempt == Attempt;

    private bool IsNew(long attempt) => attempt == 0 || attempt > Attempt;

    private long Next(long attempt) => attempt == 0 ? Attempt + 1 : attempt;
}
