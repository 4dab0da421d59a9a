namespace Kuik.EventLog;

/// <summary>The stages of an image's life.</summary>
public enum ImageStage
{
    /// <summary>Requested, copy not started.</summary>
    Requested,

    /// <summary>A replica of image-fetcher copies it.</summary>
    Fetching,

    /// <summary>In the cache.</summary>
    Cached,

    /// <summary>The last attempt failed.</summary>
    Failed,

    /// <summary>Expired, not evicted yet.</summary>
    Expired,

    /// <summary>Evicted from the cache.</summary>
    Evicted,
}
