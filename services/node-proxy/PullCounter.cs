using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>
/// Counts the pulls of each image since they were last taken, in memory, for <see cref="PullReporter"/>. A runtime begins a pull with one
/// request for the manifest of the image's tag, or, of an image that is named by digest, gets that manifest. Images beyond the limit are
/// not counted, and a pull in the instant of <see cref="Take"/> may not be.
/// </summary>
internal sealed class PullCounter(TimeProvider time)
{
    private Counts _now = new();

    /// <summary>Counts a request that was answered with a manifest.</summary>
    /// <param name="image">As the client named it.</param>
    /// <param name="isHead">The client asked for headers only.</param>
    /// <param name="isHit">The answer came from the cache or from memory.</param>
    public void Count(ImageReference image, bool isHead, bool isHit)
    {
        if (image.Tag is not null || !isHead)   // a HEAD of a digest is followed by its GET
            Add(image.ToString(), 1, isHit ? 1 : 0, time.GetUtcNow());
    }

    /// <summary>The counts so far; counting restarts at zero.</summary>
    public IReadOnlyList<CountedPulls> Take() =>
        [.. Interlocked.Exchange(ref _now, new Counts()).ByImage
            .Select(image => new CountedPulls(image.Key, image.Value.Pulls, new DateTimeOffset(image.Value.LastTicks, TimeSpan.Zero))
            { Hits = image.Value.Hits })];

    /// <summary>Adds counts that could not be reported.</summary>
    public void PutBack(IReadOnlyList<CountedPulls> pulls)
    {
        foreach (var one in pulls)
            Add(one.Image, one.Count, one.Hits ?? 0, one.LastAt);
    }

    private void Add(string image, long pulls, long hits, DateTimeOffset at)
    {
        var counts = Volatile.Read(ref _now);
        if (!counts.ByImage.TryGetValue(image, out var count))
        {
            if (Interlocked.Increment(ref counts.Images) > PullReport.MostImages)
                return;
            count = counts.ByImage.GetOrAdd(image, static _ => new ImageCount());
        }
        Interlocked.Add(ref count.Pulls, pulls);
        Interlocked.Add(ref count.Hits, hits);
        if (Volatile.Read(ref count.LastTicks) < at.UtcTicks)
            Volatile.Write(ref count.LastTicks, at.UtcTicks);
    }

    private sealed class Counts
    {
        public readonly ConcurrentDictionary<string, ImageCount> ByImage = new(StringComparer.Ordinal);
        public int Images;
    }

    private sealed class ImageCount
    {
        public long Pulls;
        public long Hits;
        public long LastTicks;
    }
}
