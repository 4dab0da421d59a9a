using Kuik.Contracts;

namespace Kuik.Expiry;

/// <summary>What expiry knows of an image: only what its decisions read. The fold of the stream <c>image/{reference}</c>, and the document to find candidates by.</summary>
public sealed record ImageLife
{
    /// <summary>The state before the first event.</summary>
    public static readonly ImageLife Nothing = new();

    /// <summary>The stream's key; the document's id.</summary>
    public string Id { get; set; } = "";

    /// <summary>The normalised reference.</summary>
    public string Image { get; init; } = "";

    /// <summary>Where the image is in its life.</summary>
    public Standing Standing { get; init; }

    /// <summary>A person has asked for it never to expire.</summary>
    public bool IsRetained { get; init; }

    /// <summary>UTC: when the open request, or the expiry that is still to be carried out, was recorded. Null when nothing is open.</summary>
    public DateTimeOffset? OpenSince { get; init; }

    /// <summary>UTC: when what is open was last announced and nobody has taken it since. Null when somebody has, or when nothing is open.</summary>
    public DateTimeOffset? AnnouncedAt { get; init; }

    /// <summary>UTC: until when an image-fetcher has taken on what is open, or when a failed copy is to be tried again. Null when nobody has.</summary>
    public DateTimeOffset? TakenUntil { get; init; }

    /// <summary>UTC: from when the expiry delay counts. Null while the image is used, retained or not in question.</summary>
    public DateTimeOffset? UnusedSince { get; init; }

    /// <summary>UTC: when it expires if nothing changes; null together with <see cref="UnusedSince"/>.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>UTC: when pod-watcher was last asked to decide; null when it has not been.</summary>
    public DateTimeOffset? ProposedAt { get; init; }

    /// <summary>True when it would be noted as unused if no pod used it.</summary>
    public bool CanBecomeUnused => Standing is Standing.Wanted or Standing.Cached && !IsRetained && UnusedSince is null;

    /// <summary>The image after one more event.</summary>
    public static ImageLife Fold(ImageLife image, object fact) => fact switch
    {
        RequestedByPod e => image.Wanted(e.Image, e.RequestedAt),
        RequestedByPerson e => image.Wanted(e.Image, e.RequestedAt),
        RequestedByPull e => image.Wanted(e.Image, e.RequestedAt),

        FetchDue e when image.Standing == Standing.Wanted => image with { AnnouncedAt = e.AnnouncedAt, TakenUntil = null },
        ImageFetchStarted e when image.Standing != Standing.Leaving => image with
        {
            Image = e.Image,
            Standing = image.Standing == Standing.Cached ? Standing.Cached : Standing.Wanted,
            OpenSince = image.OpenSince ?? e.StartedAt,
            AnnouncedAt = null,
            TakenUntil = e.LeaseUntil,
        },
        ImageFetchFailed e when image.Standing != Standing.Leaving => image with
        {
            Image = e.Image,
            Standing = image.Standing == Standing.Cached ? Standing.Cached : Standing.Wanted,
            OpenSince = image.OpenSince ?? e.FailedAt,
            AnnouncedAt = null,
            TakenUntil = e.RetryAt,
        },
        // A copy that ends when the image has expired meanwhile leaves it to be evicted; one that ends after the eviction has put it back.
        ImageCached e when image.Standing != Standing.Leaving => (image with { Image = e.Image, Standing = Standing.Cached }).Done(),

        ImageRetained => image.InUse() with { IsRetained = true },
        ImageReleased => image with { IsRetained = false },
        ImageUnused e when image.Standing is Standing.Wanted or Standing.Cached => image with { UnusedSince = e.Since, ExpiresAt = e.ExpiresAt, ProposedAt = null },
        ExpiryProposed e when image.UnusedSince is not null => image with { ProposedAt = e.ProposedAt },
        ImageUsedAgain => image.InUse(),

        ImageExpired e => image.InUse() with
        {
            Image = e.Image,
            Standing = Standing.Leaving,
            OpenSince = e.ExpiredAt,
            AnnouncedAt = e.ExpiredAt,
            TakenUntil = null,
        },
        EvictionDue e when image.Standing == Standing.Leaving => image with { AnnouncedAt = e.AnnouncedAt, TakenUntil = null },
        ImageEvictionStarted e when image.Standing == Standing.Leaving => image with { AnnouncedAt = null, TakenUntil = e.LeaseUntil },
        ImageEvicted when image.Standing == Standing.Leaving => (image with { Standing = Standing.Gone }).Done(),
        _ => image,
    };

    private ImageLife Wanted(string reference, DateTimeOffset requestedAt)
    {
        var noLongerUnused = InUse() with { Image = reference };
        return Standing is Standing.Wanted or Standing.Cached
            ? noLongerUnused
            : noLongerUnused with { Standing = Standing.Wanted, OpenSince = requestedAt, AnnouncedAt = requestedAt, TakenUntil = null };
    }

    private ImageLife InUse() => this with { UnusedSince = null, ExpiresAt = null, ProposedAt = null };

    private ImageLife Done() => this with { OpenSince = null, AnnouncedAt = null, TakenUntil = null };
}

/// <summary>Where an image is in its life, as far as expiry needs to know.</summary>
public enum Standing
{
    /// <summary>Nobody has ever asked for it.</summary>
    Unknown,

    /// <summary>Asked for and not in the cache yet: announced, being copied, or failed and to be tried again.</summary>
    Wanted,

    /// <summary>In the cache.</summary>
    Cached,

    /// <summary>Expired, and to be evicted.</summary>
    Leaving,

    /// <summary>Evicted.</summary>
    Gone,
}
