using Kuik.Contracts;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A blob that is required in a repository of the cache.</summary>
/// <param name="Image">The image the blob belongs to: selects origin and credentials. Named by the blob's own digest where nothing
/// else is known.</param>
/// <param name="Digest">The blob's digest.</param>
/// <param name="SizeInBytes">The size stated by the manifest; null when unknown.</param>
internal sealed record WantedBlob(ImageReference Image, string Digest, long? SizeInBytes)
{
    /// <summary>Its repository in the cache.</summary>
    public string Repository => CachePath.Of(Image);

    /// <summary>A replica that holds part of the blob and hands it over; null for none.</summary>
    public Uri? HeldBy { get; init; }
}
