using JasperFx.Events;
using Kuik.Contracts;
using Marten.Events.Aggregation;

namespace Kuik.PodWatcher;

/// <summary>What an image's CachedImage shows, except who uses it: one document an image, projected from its stream.</summary>
/// <param name="Id">The stream's key.</param>
/// <param name="Sequence">Of the last event in it, in the whole log: who has read up to here asks for what is above.</param>
/// <param name="Image">The normalised reference.</param>
/// <param name="WrittenAs">The reference as whoever asked first wrote it.</param>
/// <param name="Stage">Where it is.</param>
public sealed record ImageView(string Id, long Sequence, string Image, string WrittenAs, ImageStage Stage)
{
    /// <summary>The name of its CachedImage; null until it has one.</summary>
    public string? ObjectName { get; init; }

    /// <summary>A person asked for it never to expire.</summary>
    public bool IsRetained { get; init; }

    /// <summary>UTC: since when nothing uses it; null while something does.</summary>
    public DateTimeOffset? UnusedSince { get; init; }

    /// <summary>UTC: when it expires if nothing uses it until then; null while something does.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>The last copy that succeeded; null when the cache has none of it.</summary>
    public ImageCached? Cached { get; init; }

    /// <summary>The last attempt, when it failed; null when none has failed since the last success.</summary>
    public ImageFetchFailed? Failed { get; init; }

    /// <summary>The state after one more event.</summary>
    /// <param name="view">Null before the first.</param>
    /// <param name="id">The stream's key.</param>
    /// <param name="sequence">The event's place in the log.</param>
    /// <param name="fact">The event.</param>
    public static ImageView Fold(ImageView? view, string id, long sequence, object fact)
    {
        var image = id["image/".Length..];
        return After(view ?? new ImageView(id, sequence, image, image, ImageStage.Requested), fact) with { Sequence = sequence };
    }

    private static ImageView After(ImageView view, object fact) => fact switch
    {
        RequestedByPod e => view.Requested(e.WrittenAs) with { UnusedSince = null, ExpiresAt = null },
        RequestedByPerson e => view.Requested(e.WrittenAs),
        RequestedByPull => view.Requested(view.WrittenAs),
        ImageNamed e => view with { ObjectName = e.ObjectName },
        ImageRetained => view with { IsRetained = true },
        ImageReleased => view with { IsRetained = false },
        ImageFetchStarted => view with { Stage = ImageStage.Fetching },
        ImageCached e => view with { Stage = ImageStage.Cached, Cached = e, Failed = null },
        ImageFetchFailed e => view with { Stage = ImageStage.Failed, Failed = e },
        ImageUnused e => view with { UnusedSince = e.Since, ExpiresAt = e.ExpiresAt },
        ImageUsedAgain => view with { UnusedSince = null, ExpiresAt = null },
        ImageExpired => view with { Stage = ImageStage.Expired, UnusedSince = null, ExpiresAt = null },
        ImageEvicted => view.Stage == ImageStage.Expired
            ? view with { Stage = ImageStage.Evicted, Cached = null, Failed = null }
            : view with { Cached = null },   // asked for again meanwhile: it is copied anew
        _ => view,
    };

    // Whoever asks for an image that is there changes nothing; how it was written first is kept while it lives.
    private ImageView Requested(string writtenAs) => Stage switch
    {
        ImageStage.Expired or ImageStage.Evicted => this with { Stage = ImageStage.Requested, WrittenAs = writtenAs },
        ImageStage.Requested when WrittenAs == Image => this with { WrittenAs = writtenAs },
        ImageStage.Failed => this with { Stage = ImageStage.Requested },
        _ => this,
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
    public ImageViewProjection()
    {
        Name = "image-view";
        IncludeArchivedEvents = true;
        foreach (var type in new[]
        {
            typeof(RequestedByPod), typeof(RequestedByPerson), typeof(RequestedByPull), typeof(ImageNamed), typeof(ImageRetained), typeof(ImageReleased),
            typeof(ImageFetchStarted), typeof(ImageCached), typeof(ImageFetchFailed), typeof(ImageUnused), typeof(ImageUsedAgain),
            typeof(ImageExpired), typeof(ImageEvicted),
        })
        {
            IncludeType(type);
        }
    }

    public override ImageView? Evolve(ImageView? snapshot, string id, IEvent e) => ImageView.Fold(snapshot, id, e.Sequence, e.Data);
}
