using Kuik.Contracts;

namespace Kuik.EventLog;

/// <summary>The content of an image's CachedImage except its users: one document for each image, projected from its stream by pod-watcher.
/// </summary>
/// <param name="Id">The stream's key.</param>
/// <param name="Sequence">The number of its last event in the whole log, by which readers find changed views.</param>
/// <param name="Image">The normalised reference.</param>
/// <param name="WrittenAs">The reference as the first request wrote it.</param>
/// <param name="Stage">Its stage.</param>
public sealed record ImageView(string Id, long Sequence, string Image, string WrittenAs, ImageStage Stage)
{
    /// <summary>The projection's name in the log. It differs from that of the previous version, so that it is projected from the
    /// start.</summary>
    public const string ProjectionName = "image-view-3";

    /// <summary>The end of its documents' table's name.</summary>
    public const string DocumentAlias = "image_view_3";

    /// <summary>The state by which every service decides about the image; events that it does not accept do not change the view
    /// either.</summary>
    public ImageState State { get; init; } = ImageState.Initial;

    /// <summary>The name of its CachedImage; null until it has one.</summary>
    public string? ObjectName => State.ObjectName;

    /// <summary>True while a person retains it: it does not expire.</summary>
    public bool IsRetained => State.IsRetained;

    /// <summary>UTC: the time since which no pod or workload uses it; null while one does.</summary>
    public DateTimeOffset? UnusedSince => State.UnusedSince;

    /// <summary>UTC: its expiry if it stays unused, by the delay at the time when it became unused; null while it is used.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>UTC: its expiry if it stays unused: the time that a person set, else <see cref="ExpiresAt"/>.</summary>
    public DateTimeOffset? LeavesAt => State.ExpiresAt ?? ExpiresAt;

    /// <summary><see cref="Sequence"/> while the image has a CachedImage or should have one; null after its eviction. A new leader
    /// selects by it, so that it does not read views of images that were evicted long ago.</summary>
    public long? ShownSequence => Stage == ImageStage.Evicted ? null : Sequence;

    /// <summary>The last successful copy; null when the cache has none.</summary>
    public ImageCached? Cached { get; init; }

    /// <summary><see cref="Cached"/> was found in the cache registry: no origin has been asked since the log began.</summary>
    public bool IsAdopted { get; init; }

    /// <summary>The last move of its tag, whose copy is <see cref="Cached"/>; null when it has not moved since it was cached.</summary>
    public TagMoved? Moved { get; init; }

    /// <summary>The origin's last recorded answer since <see cref="Cached"/>; null when it has not been asked since.</summary>
    public OriginChecked? Origin { get; init; }

    /// <summary>UTC: the time at which the origin was last recorded to have the cached copy; null when the image is not cached.</summary>
    public DateTimeOffset? SeenAtOrigin =>
        Origin is { Answer: OriginAnswers.Same } seen ? seen.CheckedAt : IsAdopted ? null : Cached?.CachedAt;

    /// <summary>UTC: the time of the event since which the cached copy is known to be the origin's, or since which that is not
    /// known.</summary>
    public DateTimeOffset OriginChangedAt { get; init; }

    /// <summary>The last failed attempt; null when none has failed since the last success.</summary>
    public ImageFetchFailed? Failed { get; init; }

    /// <summary>The loss of the last copy by the cache registry; null unless it was lost and not copied again.</summary>
    public ImageLost? Lost { get; init; }

    /// <summary>The decision to evict it; null unless it is being evicted.</summary>
    public ImageExpired? Expired { get; init; }

    /// <summary>UTC: the time of the event since which the cache can, or cannot, serve it. Restarts and retries do not change it.</summary>
    public DateTimeOffset ReadyChangedAt { get; init; }

    /// <summary>UTC: the time of the last event about the beginning or the end of its use. The end of the last use of a retained image is
    /// no event of the image and does not change it.</summary>
    public DateTimeOffset UseChangedAt { get; init; }

    /// <summary>The state after one more event.</summary>
    /// <param name="view">Null before the first event.</param>
    /// <param name="id">The stream's key.</param>
    /// <param name="sequence">The event's number in the log.</param>
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
            ImageCached e => this with { Cached = e, IsAdopted = false, Failed = null, Lost = null, Origin = null, Moved = null },
            ImageAdopted e => Adopted(e),
            ImageFetchFailed e => this with { Failed = e },
            ImageLost e => this with { Lost = e },
            TagMoved e => this with { Cached = e.ToCached(), IsAdopted = false, Origin = null, Moved = e },
            OriginChecked e => this with { Origin = e },
            ImageUnused e => this with { ExpiresAt = e.ExpiresAt, UseChangedAt = e.Since },
            ImageUsedAgain e => this with { UseChangedAt = e.UsedAt },
            ImageExpired e => this with { Expired = e },
            _ => this,
        };
        return view with
        {
            ExpiresAt = state.UnusedSince is null ? null : view.ExpiresAt,
            Cached = state.Digest is null ? null : view.Cached,
            Origin = state.OriginAnswer is null ? null : view.Origin,
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
            OriginChangedAt = (fact, State.OriginAnswer == OriginAnswers.Same, state.OriginAnswer == OriginAnswers.Same) switch
            {
                (OriginChecked e, var was, var now) when was != now => e.CheckedAt,
                (ImageCached e, false, true) => e.CachedAt,
                (ImageAdopted e, _, _) => e.AdoptedAt,
                (TagMoved e, false, true) => e.MovedAt,
                _ => view.OriginChangedAt,
            },
        };
    }

    private ImageView Adopted(ImageAdopted e) => this with
    {
        Cached = e.ToCached(),
        IsAdopted = true,
        Failed = null,
        Lost = null,
        Origin = null,
        Moved = null,
        UseChangedAt = State.IsWanted ? UseChangedAt : e.AdoptedAt,
    };

    // The reference of the first request is shown until the eviction; an image that is requested again is shown as written then.
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
