using System.Collections.Concurrent;
using Kuik.Contracts;
using Marten;

namespace Kuik.PodWatcher;

/// <summary>Every <see cref="ImageView"/> in memory: read whole once, then what changed.</summary>
internal sealed class ImageViews(IDocumentStore store)
{
    private const int ViewsARead = 1000;

    private readonly ConcurrentDictionary<string, ImageView> byImage = new();
    private readonly ConcurrentDictionary<string, string> imageByName = new();
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<string, bool>> imagesByRepository = new();
    private long readUpTo;

    /// <summary>All of them.</summary>
    public IEnumerable<ImageView> All => byImage.Values;

    /// <summary>Of an image; null when nothing has been projected of it yet.</summary>
    public ImageView? Find(string image) => byImage.GetValueOrDefault(image);

    /// <summary>The image whose CachedImage has this name; null when none has.</summary>
    public string? ImageNamed(string name) => imageByName.GetValueOrDefault(name);

    /// <summary>The repositories of all images, with their hosts.</summary>
    public IEnumerable<string> Repositories => imagesByRepository.Keys;

    /// <summary>The images of a repository that have a CachedImage, or are to have one.</summary>
    public IReadOnlyCollection<ImageView> InRepository(string repository) =>
        [.. imagesByRepository.GetValueOrDefault(repository)?.Keys.Select(Find).OfType<ImageView>().Where(view => view.Stage != ImageStage.Evicted) ?? []];

    /// <summary>Reads what changed since the last time.</summary>
    /// <returns>The images of which something changed.</returns>
    public async Task<IReadOnlyList<string>> Refresh(CancellationToken ct)
    {
        var images = new List<string>();
        await using var session = store.QuerySession();
        while (true)
        {
            var changed = await session.Query<ImageView>().Where(view => view.Sequence > readUpTo).OrderBy(view => view.Sequence).Take(ViewsARead).ToListAsync(ct);
            foreach (var view in changed)
            {
                byImage[view.Image] = view;
                if (view.ObjectName is { } name)
                    imageByName[name] = view.Image;
                imagesByRepository.GetOrAdd(ImageReference.Parse(view.Image).Name, _ => new()).TryAdd(view.Image, true);
                images.Add(view.Image);
                readUpTo = view.Sequence;
            }
            if (changed.Count < ViewsARead)
                return images;
        }
    }
}
