using System.Diagnostics.Metrics;
using Kuik.Hosting;
using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>
/// Counts the pulls that node-proxies report, by image: how much of what is pulled the cache answers. An image that is often pulled keeps a
/// label of its own until the process ends; all others are one, so that pulls of many images do not add series. A singleton.
/// </summary>
internal sealed class PullMetrics
{
    /// <summary>The limit of images with a label of their own.</summary>
    public const int MostImages = 60;

    /// <summary>So many pulls make an image one that is often pulled.</summary>
    public const int Often = 10;

    private const int MostCounted = 2000;

    private readonly Lock _gate = new();
    private readonly BoundedLabels _images = new(MostImages);
    private readonly Dictionary<string, long> _pulls = new(StringComparer.Ordinal);
    private readonly Counter<long> _counter;

    /// <summary>Counts on image-fetcher's meter.</summary>
    public PullMetrics(IMeterFactory meters) => _counter = meters.Create("Kuik.ImageFetcher").CreateCounter<long>("kuik_image_pulls",
        description: "Pulls that node-proxies have reported, by image (the often pulled ones; other: the rest) and whether the cache or "
            + "a node-proxy's memory answered");

    /// <summary>Counts a report.</summary>
    /// <param name="pulls">Of images that the log knows. Those of earlier versions are left out: they do not tell hits.</param>
    public void Count(IEnumerable<CountedPulls> pulls)
    {
        foreach (var one in pulls)
            if (one.Hits is { } hits)
            {
                var image = Label(one);
                Add(image, "true", hits);
                Add(image, "false", one.Count - hits);
            }
    }

    private string Label(CountedPulls one)
    {
        lock (_gate)
        {
            var isNew = !_pulls.TryGetValue(one.Image, out var before);
            if (isNew && _pulls.Count >= MostCounted)
                _pulls.Clear();   // the often pulled ones have their labels
            return _images.Get(one.Image, isProven: (_pulls[one.Image] = before + one.Count) >= Often);
        }
    }

    private void Add(string image, string cacheHit, long pulls)
    {
        if (pulls > 0)
            _counter.Add(pulls, new("image", image), new("cacheHit", cacheHit));
    }
}
