using JasperFx.Events;
using JasperFx.Events.Grouping;
using Kuik.Contracts;
using Kuik.EventLog;
using Marten;
using Marten.Events.Aggregation;

namespace Kuik.PodWatcher;

/// <summary>Keeps an <see cref="ImageView"/> for every image. Runs in one replica at a time, a few milliseconds behind the log.</summary>
public sealed partial class ImageViewProjection : SingleStreamProjection<ImageView, string>
{
    // Up to here there is no event of a newer version. A page without an event of these types is not shown to a projection, so that the
    // next one has to be checked from the end of the last one that was.
    private long? _checked;

    public ImageViewProjection()
    {
        Name = ImageView.ProjectionName;
        IncludeArchivedEvents = true;
        foreach (var type in new[]
        {
            typeof(RequestedByPod), typeof(RequestedByPerson), typeof(RequestedByPull), typeof(ImageNamed), typeof(ImageRetained),
            typeof(ImageReleased), typeof(ImageExpirySet), typeof(ImageExpiryRemoved), typeof(ImageAdopted),
            typeof(ImageFetchStarted), typeof(ImageCached), typeof(ImageFetchFailed), typeof(ImageLost), typeof(ImageUnused),
            typeof(ImageUsedAgain), typeof(ImageExpired), typeof(ImageForgotten), typeof(ImageEvictionStarted), typeof(ImageEvicted),
            typeof(RefreshRequested), typeof(OriginChecked), typeof(TagMoved),
        })
        {
            IncludeType(type);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="Marten.Exceptions.UnknownEventTypeException">An event of a newer version is before the page's last one: its meaning
    /// for the image may be another one then.</exception>
    public override async Task EnrichEventsAsync(
        SliceGroup<ImageView, string> group, IQuerySession querySession, CancellationToken cancellation)
    {
        if (group.Slices.SelectMany(slice => slice.Events()).Select(e => e.Sequence).DefaultIfEmpty().Max() is not (> 0 and var last))
            return;
        _checked ??= await UnknownEvents.PositionOf(querySession, ImageView.ProjectionName, cancellation);
        await UnknownEvents.EnsureNone(querySession, _checked.Value, last, cancellation);
        _checked = last;
    }

    // At the first event there is nothing before: the daemon may still have the view of an earlier stream that retention has removed.
    public override ImageView? Evolve(ImageView? snapshot, string id, IEvent e) =>
        ImageView.Fold(e.Version == 1 ? null : snapshot, id, e.Sequence, e.Data);
}
