namespace Kuik.Contracts;

/// <summary>Where an image is in its life.</summary>
public enum ImagePhase
{
    /// <summary>It was never requested.</summary>
    Unknown,

    /// <summary>Requested; no replica copies it.</summary>
    Wanted,

    /// <summary>Claimed by an image-fetcher, which copies it.</summary>
    Copying,

    /// <summary>The last copy failed; the next attempt is due at <see cref="ImageState.RetryAt"/>.</summary>
    Failed,

    /// <summary>The cache registry can serve it.</summary>
    Cached,

    /// <summary>Expired; its tag is to be removed from the cache registry.</summary>
    Leaving,

    /// <summary>Claimed by an image-fetcher, which removes its tag.</summary>
    Removing,

    /// <summary>Its tag is gone from the cache registry.</summary>
    Gone,
}
