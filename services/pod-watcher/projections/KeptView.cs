using Kuik.EventLog;

namespace Kuik.PodWatcher;

/// <summary>The form in which this service keeps views.</summary>
internal static class KeptView
{
    /// <summary>The same view with one instance of each text that it has several times, because views are kept in memory for thousands of
    /// images.</summary>
    /// <param name="view">As it was read.</param>
    /// <param name="lists">Lists of platforms that many views have.</param>
    public static ImageView WithSharedTexts(this ImageView view, Pool<IReadOnlyList<string>> lists)
    {
        var (image, digest) = (SharedTexts.Get(view.Image), view.Cached?.Digest ?? view.State.Digest);
        return view with
        {
            Image = image,
            WrittenAs = view.WrittenAs == view.Image ? image : view.WrittenAs,
            State = view.State with
            {
                Image = view.State.Image == view.Image ? image : view.State.Image,
                ObjectName = view.State.ObjectName is null ? null : SharedTexts.Get(view.State.ObjectName),
                Digest = view.State.Digest == digest ? digest : view.State.Digest,
                By = view.State.By is null ? null : SharedTexts.Get(view.State.By),
            },
            Cached = view.Cached is null ? null : view.Cached with
            {
                Image = view.Cached.Image == view.Image ? image : view.Cached.Image,
                MediaType = SharedTexts.Get(view.Cached.MediaType),
                Platforms = lists.Get(view.Cached.Platforms),
                MissingPlatforms = lists.Get(view.Cached.MissingPlatforms),
            },
            Failed = view.Failed is null ? null : view.Failed with
            {
                Image = view.Failed.Image == view.Image ? image : view.Failed.Image,
                Kind = SharedTexts.Get(view.Failed.Kind),
            },
        };
    }
}
