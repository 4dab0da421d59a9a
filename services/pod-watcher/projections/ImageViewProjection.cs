using JasperFx.Events;
using Kuik.Contracts;
using Kuik.EventLog;
using Marten.Events.Aggregation;

namespace Kuik.PodWatcher;

/// <summary>Keeps an <see cref="ImageView"/> for every image. Runs in one replica at a time, a few milliseconds behind the log.</summary>
public sealed partial class ImageViewProjection : SingleStreamProjection<ImageView, string>
{
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

    // At the first event there is nothing before: the daemon may still have the view of an earlier stream that retention has removed.
    public override ImageView? Evolve(ImageView? snapshot, string id, IEvent e) =>
        ImageView.Fold(e.Version == 1 ? null : snapshot, id, e.Sequence, e.Data);
}
