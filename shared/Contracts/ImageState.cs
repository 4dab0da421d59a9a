namespace Kuik.Contracts;

/// <summary>Where an image is in its life.</summary>
public enum ImagePhase
{
    /// <summary>It was never requested.</summary>
    Unknown,

    /// <summary>Requested; no replica copies it.</summary>
    Wanted,

    /// <summary>Claimed by an image-fetcher, which copies it.</summary>
    Copying,

    /// <summary>The last copy failed; the next attempt is due at <see cref="ImageState.RetryAt"/>.</summary>
    Failed,

    /// <summary>The cache registry can serve it.</summary>
    Cached,

    /// <summary>Expired; its tag is to be removed from the cache registry.</summary>
    Leaving,

    /// <summary>Claimed by an image-fetcher, which removes its tag.</summary>
    Removing,

    /// <summary>Its tag is gone from the cache registry.</summary>
    Gone,
}

/// <summary>
/// The state of an image: the fold of its stream <c>image/{reference}</c>, and the one state machine by which all services decide about it.
/// Each claim has an attempt number; an outcome counts only for the current claim (fencing), so that a replica whose lease has expired
/// changes nothing. docs/decisions/0013-one-state-machine.md has the table.
/// </summary>
public sealed record ImageState
{
    /// <summary>The state before the first event.</summary>
    public static readonly ImageState Initial = new();

    /// <summary>Changes with the meaning of <see cref="Fold"/>: a snapshot with another number is not used.</summary>
    public const int FoldVersion = 1;

    /// <summary>The normalised reference; empty before the first event.</summary>
    public string Image { get; init; } = "";

    /// <summary>Where it is in its life.</summary>
    public ImagePhase Phase { get; init; }

    /// <summary>The number of the last claim, counted from 1; 0 before the first. It is the current one in <see cref="ImagePhase.Copying"/>
    /// and <see cref="ImagePhase.Removing"/>.</summary>
    public long Attempt { get; init; }

    /// <summary>The replica whose claim is current; null when none is.</summary>
    public string? By { get; init; }

    /// <summary>UTC: when the first lease of the last claim ended, as its event says. The work table has the lease as it is
    /// renewed.</summary>
    public DateTimeOffset LeaseUntil { get; init; }

    /// <summary>Failed copies in a row.</summary>
    public int Failures { get; init; }

    /// <summary>UTC: not before then is it copied again; null unless it is <see cref="ImagePhase.Failed"/>.</summary>
    public DateTimeOffset? RetryAt { get; init; }

    /// <summary>The last copy failed in a way that only a change, for example another pull secret, can repair.</summary>
    public bool IsRefused { get; init; }

    /// <summary>Claims in a row that ended without an outcome.</summary>
    public int LostClaims { get; init; }

    /// <summary><c>spec.retain</c> is set: it never expires.</summary>
    public bool IsRetained { get; init; }

    /// <summary>Its resource was deleted and nothing has requested it since: it expires without a delay if no pod uses it.</summary>
    public bool IsForgotten { get; init; }

    /// <summary>UTC: from when the expiry delay counts; null while it is used, retained or not wanted.</summary>
    public DateTimeOffset? UnusedSince { get; init; }

    /// <summary>UTC: when it expires if it is unused then, by a person's <c>spec.expiresAt</c>; null for after the expiry delay.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>The name of its CachedImage; null until it has one.</summary>
    public string? ObjectName { get; init; }

    /// <summary>The digest of the last copy, until its tag is removed; null when there is none.</summary>
    public string? Digest { get; init; }

    /// <summary>The size that the last copy recorded, until its tag is removed; null when there is none.</summary>
    public long? SizeInBytes { get; init; }

    /// <summary>The origin's last recorded answer, as in <see cref="OriginChecked.Answer"/>; null unless it is cached.</summary>
    public string? OriginAnswer { get; init; }

    /// <summary>UTC: when <see cref="OriginAnswer"/> was recorded; checks that gave the same answer within a day are not.</summary>
    public DateTimeOffset? OriginCheckedAt { get; init; }

    /// <summary>UTC: since when a person waits for a comparison with the origin; null when none does.</summary>
    public DateTimeOffset? RefreshRequestedAt { get; init; }

    /// <summary>The digests that its tag had before it moved, the latest last, at most <see cref="MostReplacedDigests"/>; null for none.
    /// They stay in the cache while a pod may run them.</summary>
    public IReadOnlyList<string>? ReplacedDigests { get; init; }

    /// <summary>The limit of <see cref="ReplacedDigests"/>: the oldest are dropped.</summary>
    public const int MostReplacedDigests = 50;

    /// <summary>Requested, and not expired since.</summary>
    public bool IsWanted => Phase is ImagePhase.Wanted or ImagePhase.Copying or ImagePhase.Failed or ImagePhase.Cached;

    /// <summary>True when the cache registry can serve it. False for an expired image, whose tag may go at any moment.</summary>
    public bool IsCached => Phase == ImagePhase.Cached;

    /// <summary>Expired, and its tag may still be there.</summary>
    public bool IsLeaving => Phase is ImagePhase.Leaving or ImagePhase.Removing;

    /// <summary>The log does not say that the cache has it, and no replica copies or removes it: if the cache has all of it, it is
    /// adopted.</summary>
    public bool CanBeAdopted => Phase is ImagePhase.Unknown or ImagePhase.Gone or ImagePhase.Wanted or ImagePhase.Failed;

    /// <summary>It is to be recorded as unused as soon as no pod uses it.</summary>
    public bool CanBecomeUnused => IsWanted && !IsRetained && !IsForgotten && UnusedSince is null;

    /// <summary>It is to expire, at once or when its delay is over, if no pod uses it then.</summary>
    public bool CanExpire => IsWanted && !IsRetained && (IsForgotten || UnusedSince is not null);

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
        ImageRetained e => this with { Image = e.Image, IsRetained = true, UnusedSince = null, ExpiresAt = null, IsForgotten = false },
        ImageReleased when IsRetained => this with { IsRetained = false },
        ImageExpirySet e when IsWanted && !IsRetained && ExpiresAt != e.ExpiresAt => this with { ExpiresAt = e.ExpiresAt },
        ImageExpiryRemoved when ExpiresAt is not null => this with { ExpiresAt = null },
        ImageUnused e when CanBecomeUnused => this with { UnusedSince = e.Since },
        ImageUsedAgain when UnusedSince is not null || ExpiresAt is not null || IsForgotten =>
            this with { UnusedSince = null, ExpiresAt = null, IsForgotten = false },
        RefreshRequested e when IsCached && RefreshRequestedAt is null => this with { RefreshRequestedAt = e.RequestedAt },
        RefreshRequested when Phase == ImagePhase.Failed => NotCached(),
        ImageForgotten when IsWanted && !IsRetained && !IsForgotten => this with { IsForgotten = true },
        _ => this,
    };

    // An image that is leaving is not known to be cached: its tag may be gone already although that is not recorded.
    private ImageState Requested(string image)
    {
        var used = this with { Image = image, UnusedSince = null, ExpiresAt = null, IsForgotten = false };
        return Phase is ImagePhase.Wanted or ImagePhase.Copying or ImagePhase.Cached ? used : used.NotCached();
    }

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
        RefreshRequestedAt = null,
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
        RefreshRequestedAt = null,
    };

    private ImageState Moved(TagMoved e) => this with
    {
        Digest = e.Digest,
        SizeInBytes = e.SizeInBytes,
        OriginAnswer = OriginAnswers.Same,
        OriginCheckedAt = e.MovedAt,
        RefreshRequestedAt = null,
        ReplacedDigests = [.. (ReplacedDigests ?? []).Append(e.PreviousDigest).Where(digest => digest != e.Digest).Distinct()
            .TakeLast(MostReplacedDigests)],
    };

    private ImageState Checked(OriginChecked e) => this with
    {
        OriginAnswer = e.Answer,
        OriginCheckedAt = e.CheckedAt,
        RefreshRequestedAt = OriginAnswers.IsFinal(e.Answer) ? null : RefreshRequestedAt,
    };

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

    private ImageState Expired(string image) => this with
    {
        Image = image,
        Phase = ImagePhase.Leaving,
        By = null,
        Failures = 0,
        RetryAt = null,
        IsRefused = false,
        LostClaims = 0,
        UnusedSince = null,
        ExpiresAt = null,
        IsForgotten = false,
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
