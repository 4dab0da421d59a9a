namespace Kuik.Contracts;

/// <summary>
/// The state of an image: the fold of its stream <c>image/{reference}</c>, and the one state machine by which all services decide about it.
/// Each claim has an attempt number; an outcome counts only for the current claim (fencing), so that a replica whose lease has expired
/// changes nothing. docs/decisions/0013-one-state-machine.md has the table.
/// </summary>
public sealed partial record ImageState
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

    /// <summary>UTC: when the last claim of a copy began; null before the first.</summary>
    public DateTimeOffset? ClaimedAt { get; init; }

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

    /// <summary>The uid of the CachedImage in which <see cref="ExpiresAt"/> was set; null for none, or for one that is not known.</summary>
    public string? ExpirySetIn { get; init; }

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

    /// <summary>UTC: when a person last asked for a comparison with the origin; null when none waits for one that began after that. A copy
    /// is one too.</summary>
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
}
