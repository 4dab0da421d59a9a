namespace Kuik.PodWatcher;

/// <summary>Images whose CachedImage may not be what it should be: at most one entry an image, however often it is marked.</summary>
internal sealed class DirtyImages
{
    private readonly Lock gate = new();
    private HashSet<string> marked = [];

    /// <summary>Has these looked at.</summary>
    public void Mark(params IEnumerable<string> images)
    {
        lock (gate)
            marked.UnionWith(images);
    }

    /// <summary>Takes at most so many; the others stay.</summary>
    public IReadOnlyList<string> Take(int atMost)
    {
        lock (gate)
        {
            if (marked.Count <= atMost)
            {
                var all = marked;
                marked = [];
                return [.. all];
            }
            var some = marked.Take(atMost).ToArray();
            marked.ExceptWith(some);
            return some;
        }
    }
}
