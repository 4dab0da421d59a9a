namespace Kuik.Contracts;

/// <summary>The kind of work on an image.</summary>
public enum WorkKind
{
    /// <summary>Copy it into the cache: an image-fetcher.</summary>
    Fetch,

    /// <summary>Remove its tag from the cache: an image-fetcher.</summary>
    Evict,

    /// <summary>Decide whether it expires: pod-watcher's leader, which can look at the cluster.</summary>
    Expire,

    /// <summary>Look whether the cache registry still has all of it: an image-fetcher.</summary>
    Verify,

    /// <summary>Compare it with its origin, and copy what has changed there: an image-fetcher.</summary>
    Refresh,
}
