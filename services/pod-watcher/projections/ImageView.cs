using JasperFx.Events;
using Kuik.Contracts;
using Marten.Events.Aggregation;

namespace Kuik.PodWatcher;

/// <summary>What an image's CachedImage shows, except who uses it: one document an image, projected from its stream.</summary>
/// <param name="Id">The stream's key.</param>
/// <param name="Sequence">Of the last event in it, in the whole log: who has read up to here asks for what is above.</param>
/// <param name="Image">The normalised reference.</param>
/// <param name="WrittenAs">The reference as the first request wrote it.</param>
/// <param name="Stage">Where it is.</param>
public sealed record ImageView(string Id, long Sequence, string Image, string WrittenAs, ImageStage Stage)
{
    /// <summary>By which every service decides about the image; what it does not accept is not shown either.</summary>
    public ImageState State { get; init; } = ImageState.Initial;

    /// <summary>The name of its CachedImage; null until it has one.</summary>
    public string? ObjectName => State.ObjectName;

    /// <summary>A person asked for it never to expire.</summary>
    public bool IsRetained => State.IsRetained;

    /// <summary>UTC: since when nothing uses it; null while something does.</summary>
    public DateTimeOffset? UnusedSince => State.UnusedSince;

    /// <summary>UTC: the end of the delay that held when it became unused; null while something uses it.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>UTC: when it expires if nothing uses it until then: the time that a person set, else <see cref="ExpiresAt"/>.</summary>
    public DateTimeOffset? LeavesAt => State.ExpiresAt ?? ExpiresAt;

    /// <summary><see cref="Sequence"/> while the image has a CachedImage or is to have one; null when it has left the cache. A replica that
    /// begins to lead reads by it: it needs nothing of what was cached years ago.</summary>
    public long? ShownSequence => Stage == ImageStage.Evicted ? null : Sequence;

    /// <summary>The last copy that succeeded; null when the cache has none of it.</summary>
    public ImageCached? Cached { get; init; }

    /// <summary><see cref="Cached"/> was found in the cache registry: no origin has been asked since the log began.</summary>
    public bool IsAdopted { get; init; }

    /// <summary>The last attempt, when it failed; null when none has failed since the last success.</summary>
    public ImageFetchFailed? Failed { get; init; }

    /// <summary>Why the cache registry no longer has the last copy; null unless it was lost and there is none since.</summary>
    public ImageLost? Lost { get; init; }

    /// <summary>The decision that it leaves the cache; null unless it is on its way out.</summary>
    public ImageExpired? Expired { get; init; }

    /// <summary>UTC: since when the cache can serve it, or cannot: the time of the event, which no restart and no retry moves.</summary>
    public DateTimeOffset ReadyChangedAt { get; init; }

    /// <summary>UTC: the last event that says that its use began or ended. Where there is none (a retained image whose last pod went), the
    /// last one before.</summary>
    public DateTimeOffset UseChangedAt { get; init; }

    /// <summary>The state after one more event.</summary>
    /// <param name="view">Null before the first.</param>
    /// <param name="id">The stream's key.</param>
    /// <param name="sequence">The event's place in the log.</param>
    /// <param name="fact">The event.</param>
    public static ImageView Fold(ImageView? view, string id, long sequence, object fact)
    {
        var image = StreamName.ImageOf(id);
        var before = view ?? new ImageView(id, sequence, image, image, ImageStage.Requested);
        var state = ImageState.Fold(before.State, fact);
        return ReferenceEquals(state, before.State)
            ? before with { Sequence = sequence }
            : before.After(fact, state) with { Sequence = sequence, State = state, Stage = StageOf(state.Phase, before.Stage) };
    }

    private ImageView After(object fact, ImageState state)
    {
        var view = fact switch
        {
            RequestedByPod e => Requested(e.WrittenAs, e.RequestedAt),
            RequestedByPerson e => Requested(e.WrittenAs, e.RequestedAt),
            RequestedByPull e => Requested(WrittenAs, e.RequestedAt),
            ImageCached e => this with { Cached = e, IsAdopted = false, Failed = null, Lost = null },
            ImageAdopted e => Adopted(e),
            ImageFetchFailed e => this with { Failed = e },
            ImageLost e => this with { Lost = e },
            ImageUnused e => this with { ExpiresAt = e.ExpiresAt, UseChangedAt = e.Since },
            ImageUsedAgain e => this with { UseChangedAt = e.UsedAt },
            ImageExpired e => this with { Expired = e },
            _ => this,
        };
        return view with
        {
            ExpiresAt = state.UnusedSince is null ? null : view.ExpiresAt,
            Cached = state.Digest is null ? null : view.Cached,
            Failed = state.Phase == ImagePhase.Gone ? null : view.Failed,
            Lost = state.IsWanted ? view.Lost : null,
            Expired = state.IsLeaving ? view.Expired : null,
            ReadyChangedAt = (fact, State.IsCached, state.IsCached) switch
            {
                (ImageCached e, false, true) => e.CachedAt,
                (ImageAdopted e, false, true) => e.AdoptedAt,
                (ImageLost e, true, false) => e.LostAt,
                (ImageExpired e, true, false) => e.ExpiredAt,
                _ => view.ReadyChangedAt,
            },
        };
    }

    private ImageView Adopted(ImageAdopted e)
    {
        var cached = new ImageCached(
            e.Image, e.Digest, e.MediaType, e.Platforms, e.MissingPlatforms, e.SizeInBytes, BytesCopied: 0,
            BytesAlreadyThere: e.SizeInBytes, Duration: TimeSpan.Zero, e.AdoptedAt)
        {
            Attempt = e.Attempt,
        };
        return this with { Cached = cached, IsAdopted = true, Failed = null, Lost = null, UseChangedAt = State.IsWanted ? UseChangedAt : e.AdoptedAt };
    }

    // The first reference that a person or pod wrote stays while the image lives; one that returns is shown as it is written then.
    private ImageView Requested(string writtenAs, DateTimeOffset at)
    {
        var view = !State.IsWanted || WrittenAs == Image ? this with { WrittenAs = writtenAs } : this;
        if (!State.IsWanted || UnusedSince is not null)
            view = view with { UseChangedAt = at };
        return State.Phase is ImagePhase.Unknown or ImagePhase.Gone ? view with { ReadyChangedAt = at } : view;
    }

    private static ImageStage StageOf(ImagePhase phase, ImageStage before) => phase switch
    {
        ImagePhase.Wanted => ImageStage.Requested,
        ImagePhase.Copying => ImageStage.Fetching,
        ImagePhase.Cached => ImageStage.Cached,
        ImagePhase.Failed => ImageStage.Failed,
        ImagePhase.Leaving or ImagePhase.Removing => ImageStage.Expired,
        ImagePhase.Gone => ImageStage.Evicted,
        _ => before,
    };
}

/// <summary>Where an image is in its life.</summary>
public enum ImageStage
{
    /// <summary>Asked for, not begun.</summary>
    Requested,

    /// <summary>An image-fetcher copies it.</summary>
    Fetching,

    /// <summary>In the cache.</summary>
    Cached,

    /// <summary>The last attempt failed.</summary>
    Failed,

    /// <summary>To leave the cache.</summary>
    Expired,

    /// <summary>Gone from the cache.</summary>
    Evicted,
}

/// <summary>Keeps an <see cref="ImageView"/> for every image. Runs in one replica at a time, behind the log by milliseconds.</summary>
public sealed partial class ImageViewProjection : SingleStreamProjection<ImageView, string>
{
    /// <summary>Its name in the log. Another one than the version before had: it is projected from the start.</summary>
    public const string ProjectionName = "image-view-3";

    public ImageViewProjection()
    {
        Name = ProjectionName;
        IncludeArchivedEvents = true;
        foreach (var type in new[]
        {
            typeof(RequestedByPod), typeof(RequestedByPerson), typeof(RequestedByPull), typeof(ImageNamed), typeof(ImageRetained), typeof(ImageReleased),
            typeof(ImageExpirySet), typeof(ImageExpiryRemoved), typeof(ImageAdopted),
            typeof(ImageFetchStarted), typeof(ImageCached), typeof(ImageFetchFailed), typeof(ImageLost), typeof(ImageUnused),
            typeof(ImageUsedAgain), typeof(ImageExpired), typeof(ImageForgotten), typeof(ImageEvictionStarted), typeof(ImageEvicted),
        })
        {
            IncludeType(type);
        }
    }

    public override ImageView? Evolve(ImageView? snapshot, string id, IEvent e) => ImageView.Fold(snapshot, id, e.Sequence, e.Data);
}
