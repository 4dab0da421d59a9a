using Kuik.EventLog;

namespace Kuik.PodWatcher;

/// <summary>One instance of each text that views have in common, because they are kept in memory for thousands of images.</summary>
internal sealed class SharedTexts
{
    private readonly Pool<string> _texts = new();
    private readonly Pool<IReadOnlyList<string>> _lists = new(new ListComparer<string>());

    /// <summary>The same view with one instance of each text that it, or another one, has several times.</summary>
    public ImageView Replace(ImageView view)
    {
        var (image, digest) = (view.Image, view.Cached?.Digest ?? view.State.Digest);
        return view with
        {
            WrittenAs = view.WrittenAs == image ? image : view.WrittenAs,
            State = view.State with
            {
                Image = view.State.Image == image ? image : view.State.Image,
                Digest = view.State.Digest == digest ? digest : view.State.Digest,
                By = view.State.By is null ? null : _texts.Get(view.State.By),
            },
            Cached = view.Cached is null ? null : view.Cached with
            {
                Image = view.Cached.Image == image ? image : view.Cached.Image,
                MediaType = _texts.Get(view.Cached.MediaType),
                Platforms = _lists.Get(view.Cached.Platforms),
                MissingPlatforms = _lists.Get(view.Cached.MissingPlatforms),
            },
            Failed = view.Failed is null ? null : view.Failed with
            {
                Image = view.Failed.Image == image ? image : view.Failed.Image,
                Kind = _texts.Get(view.Failed.Kind),
            },
        };
    }
}
