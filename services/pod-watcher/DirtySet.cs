namespace Kuik.PodWatcher;

/// <summary>Images or repositories whose resource may not be what it should be: at most one entry each, however often it is marked.</summary>
internal sealed class DirtySet
{
    private readonly Lock gate = new();
    private HashSet<string> marked = [];

    /// <summary>Has these looked at.</summary>
    public void Mark(params IEnumerable<string> names)
    {
        lock (gate)
            marked.UnionWith(names);
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
