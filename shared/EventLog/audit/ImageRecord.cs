using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>The log's knowledge of an image, with the events that explain its state. The state machine is <see cref="ImageState"/>: an
/// event that it does not accept changes nothing here either.</summary>
/// <param name="Image">The normalised reference.</param>
public sealed record ImageRecord(string Image)
{
    /// <summary>The state by which all services decide.</summary>
    public ImageState State { get; init; } = ImageState.Initial;

    /// <summary>The number of events in it.</summary>
    public long Version { get; init; }

    /// <summary>The sequence number of the last event in it.</summary>
    public long Sequence { get; init; }

    /// <summary>UTC: when the state last changed.</summary>
    public DateTimeOffset ChangedAt { get; init; }

    /// <summary>The number of events of types that this version does not know, or cannot read.</summary>
    public int Unreadable { get; init; }

    /// <summary>The last request that changed the state: one of the events <c>RequestedBy…</c>; null before the first.</summary>
    public object? Request { get; init; }

    /// <summary>The copy that the cache registry has; null when it has none.</summary>
    public ImageCached? Cached { get; init; }

    /// <summary>The origin's last recorded answer since that copy; null when it was not asked since.</summary>
    public OriginChecked? Origin { get; init; }

    /// <summary>The last failure; null when a copy has succeeded since.</summary>
    public ImageFetchFailed? Failed { get; init; }

    /// <summary>The loss of the last copy; null unless it was lost and there is none since.</summary>
    public ImageLost? Lost { get; init; }

    /// <summary>The end of its use; null while it is used.</summary>
    public ImageUnused? Unused { get; init; }

    /// <summary>The decision that it leaves the cache; null when it was requested again since.</summary>
    public ImageExpired? Expired { get; init; }

    /// <summary>The eviction after that decision; null when it was requested again since.</summary>
    public ImageEvicted? Evicted { get; init; }

    /// <summary>The record after one more event of its stream.</summary>
    public static ImageRecord Fold(ImageRecord image, RecordedEvent one)
    {
        var next = image with { Version = one.Version, Sequence = one.Sequence };
        if (one.Fact is null)
            return next with { Unreadable = image.Unreadable + 1 };
        var state = ImageState.Fold(image.State, one.Fact);
        return ReferenceEquals(state, image.State) ? next : next.After(one.Fact, state) with { ChangedAt = one.RecordedAt };
    }

    private ImageRecord After(object fact, ImageState state)
    {
        var image = fact switch
        {
            RequestedByPod or RequestedByPerson or RequestedByPull => this with { Request = fact },
            ImageCached e => this with { Cached = e, Failed = null, Lost = null, Origin = null },
            ImageAdopted e => this with { Cached = e.ToCached(), Failed = null, Lost = null, Origin = null },
            TagMoved e => this with { Cached = e.ToCached(), Origin = null },
            OriginChecked e => this with { Origin = e },
            ImageFetchFailed e => this with { Failed = e },
            ImageLost e => this with { Lost = e },
            ImageUnused e => this with { Unused = e },
            ImageExpired e => this with { Expired = e },
            ImageEvicted e => this with { Evicted = e },
            _ => this,
        };
        return image with
        {
            State = state,
            Cached = state.Digest is null ? null : image.Cached,
            Origin = state.OriginAnswer is null ? null : image.Origin,
            Failed = state.Phase == ImagePhase.Gone ? null : image.Failed,
            Lost = state.IsWanted ? image.Lost : null,
            Unused = state.UnusedSince is null ? null : image.Unused,
            Expired = state.IsWanted ? null : image.Expired,
            Evicted = state.Phase == ImagePhase.Gone ? image.Evicted : null,
        };
    }
}
