using Kuik.Contracts;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Looks at images at their origin, without copying anything.</summary>
public sealed class OriginInspector
{
    private readonly OriginClient _originClient;
    private readonly ManifestFetcher _manifestFetcher;

    internal OriginInspector(OriginClient originClient, ManifestFetcher manifestFetcher) =>
        (_originClient, _manifestFetcher) = (originClient, manifestFetcher);

    /// <summary>Forgets what this replica knows of a tag since a moment ago: the next copy asks the origin.</summary>
    public void Forget(ImageReference image) => _manifestFetcher.Forget(image);

    /// <summary>Returns when the origin serves an image that is named by its digest.</summary>
    /// <param name="image">By digest.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="CopyException">It does not, or did not answer.</exception>
    public async Task EnsureServed(ImageReference image, CancellationToken ct)
    {
        if (await _originClient.HeadManifest(image, ct) is null)
            await _originClient.GetManifest(image, ct);   // some registries answer HEAD with an error for what GET gives
    }
}
