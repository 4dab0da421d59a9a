using System.Globalization;
using Kuik.Contracts;
using Microsoft.AspNetCore.Http;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Tells what a tag names at its origin now, to a node-proxy that serves as a mirror: one HEAD for all nodes, as the owner of the
/// repository asks and remembers. Where the tag has moved, the image is copied again, as after a pull.
/// </summary>
internal sealed class TagRevalidator(ManifestFetcher manifestFetcher, ManifestPullEndpoint pull, TimeProvider time,
    CancellationToken stopping)
{
    private readonly SingleFlight<ImageReference, Named> _looks = new(stopping);
    private readonly BoundedCache<ImageReference, Named> _known = new(most: 10_000);
    private readonly NegativeCache<ImageReference> _refused = new(time);

    /// <summary>The longest age of an answer to this request; null for a request of another kind.</summary>
    public static TimeSpan? AgeAsked(HttpRequest request, ImageReference image) =>
        image.Tag is not null && HttpMethods.IsHead(request.Method)
            && int.TryParse(request.Headers[PullThrough.FreshHeader], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
                ? TimeSpan.FromSeconds(seconds)
                : null;

    /// <exception cref="CopyException">The origin did not say.</exception>
    public async Task Revalidate(HttpContext http, ImageReference image, TimeSpan age)
    {
        if (!_known.TryGet(image, out var named) || time.GetElapsedTime(named.At) >= age)
        {
            _refused.ThrowIfKnown(image);
            var look = _looks.RunOnce(image, stop => Look(image, stop));
            if (!await PullThrough.IsDoneAtOnce(http, look, time))
                return;
            named = await look;
        }
        ManifestPullEndpoint.WriteHead(http.Response, named.Digest, named.MediaType, named.SizeInBytes);
    }

    private async Task<Named> Look(ImageReference image, CancellationToken ct)
    {
        try
        {
            var at = time.GetTimestamp();
            var digest = (await manifestFetcher.HeadAtOrigin(image, ct))?.Digest;
            var stored = digest is null ? null : await pull.FromCache(image, ct);
            if (digest is null || stored?.Digest != digest)
                manifestFetcher.Forget(image);
            var now = stored is not null && stored.Digest == digest ? stored : await pull.Anew(image, ct);
            var named = new Named(now.Digest, now.MediaType, now.Bytes.Length, at);
            _known.Set(image, named);
            return named;
        }
        catch (CopyException e)
        {
            _refused.Remember(image, e);
            throw;
        }
    }

    private sealed record Named(string Digest, string MediaType, int SizeInBytes, long At);
}
