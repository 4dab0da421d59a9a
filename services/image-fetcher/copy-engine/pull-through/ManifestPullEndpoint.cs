using Kuik.Contracts;
using Kuik.Oci;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// A manifest that node-proxy did not find in the cache: it is answered from the origin, and the image is copied in the background. A child
/// of an index that the cache knows is kept beside it; anything else is an image of its own.
/// </summary>
internal sealed partial class ManifestPullEndpoint(
    CacheRegistry cache, IndexChildren indexes, ManifestFetcher manifestFetcher, OriginClient originClient, ImageCopier imageCopier,
    CopyEngineHooks hooks,
    TimeProvider time, ILogger<ManifestPullEndpoint> logger, CancellationToken stopping)
{
    /// <summary>How long a pull waits for its pod to be observed, so that there are credentials.</summary>
    private static readonly TimeSpan WaitForPod = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan CachePatience = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(16);

    private readonly SingleFlight<ImageReference, Manifest> _pulls = new(stopping);
    private readonly SingleFlight<ImageReference, bool> _copies = new(stopping);
    private readonly NegativeCache<ImageReference> _refused = new(time);

    /// <exception cref="CopyException">Neither the cache nor the origin gave it.</exception>
    public async Task Serve(HttpContext http, ImageReference image)
    {
        _refused.ThrowIfKnown(image);
        var work = _pulls.RunOnce(image, stop => Pull(image, stop));
        if (!await PullThrough.IsDoneAtOnce(http, work, time))
            return;

        var manifest = await work;
        WriteHead(http.Response, manifest.Digest, manifest.MediaType, manifest.Bytes.Length);
        if (HttpMethods.IsGet(http.Request.Method))
            await http.Response.Body.WriteAsync(manifest.Bytes, http.RequestAborted);
    }

    internal static void WriteHead(HttpResponse response, string digest, string mediaType, int size)
    {
        response.ContentType = mediaType;
        response.ContentLength = size;
        response.Headers["Docker-Content-Digest"] = digest;
        response.Headers.ETag = $"\"{digest}\"";
    }

    /// <summary>From the origin, whatever the cache has, and copied in the background.</summary>
    /// <exception cref="CopyException">The origin did not give it.</exception>
    internal async Task<Manifest> Anew(ImageReference image, CancellationToken ct)
    {
        var manifest = await FromOrigin(image, ct);
        _ = _copies.RunOnce(image, async stopping => await CopyInBackground(image, stopping));
        return manifest;
    }

    private async Task<Manifest> Pull(ImageReference image, CancellationToken ct)
    {
        if (await FromCache(image, ct) is { } stored)
            return stored;
        try
        {
            return await Anew(image, ct);
        }
        catch (CopyException e)
        {
            _refused.Remember(image, e);
            throw;
        }
    }

    /// <summary>It may have come since node-proxy looked. A cache that does not answer is no reason not to pull.</summary>
    internal async Task<Manifest?> FromCache(ImageReference image, CancellationToken ct)
    {
        if (image.Tag is { } tag && CacheTags.IsOurs(tag))
            return null;   // it says something else there than at the origin
        try
        {
            return await cache.Find(CachePath.Of(image), image.Target, ct).WaitAsync(CachePatience, time, ct);
        }
        catch (Exception e) when (e is CopyException or TimeoutException)
        {
            LogCacheAway(image, e.Message);
            return null;
        }
    }

    /// <summary>A private image may be pulled before its pod has been observed: the credential that opens it comes in a moment.</summary>
    private async Task<Manifest> FromOrigin(ImageReference image, CancellationToken ct)
    {
        using var look = new PeriodicTimer(LookAgain, time);
        for (var until = time.GetUtcNow() + WaitForPod; ;)
        {
            var shown = await originClient.Credentials(image, ct);
            try
            {
                return await manifestFetcher.AsOwner(image).WaitAsync(ct);
            }
            catch (CopyException e) when (e.Kind == CopyException.Refused)
            {
                while ((await originClient.Credentials(image, ct)).SequenceEqual(shown))
                    if (!await look.WaitForNextTickAsync(ct) || time.GetUtcNow() >= until)
                        throw shown is [] ? WithoutCredentials(image, e) : e;
            }
        }
    }

    private static CopyException WithoutCredentials(ImageReference image, CopyException e) => new(
        CopyException.Refused, $"{e.Message}; no pod that is known to use {image} has a pull secret for {image.Host}", retryHelps: false,
        status: e.Status, inner: e);

    /// <returns>True when the copy was made; a failure is logged, and returned where the copy itself is asked for.</returns>
    private async Task<bool> CopyInBackground(ImageReference image, CancellationToken ct)
    {
        try
        {
            if (manifestFetcher.WasNamedByTag(image))
                return true;   // a runtime that asked for the tag and now asks for what it names: the tag's copy is under way
            if (await IsChild(image, ct))
            {
                await CopyChild(image, ct);
                return true;
            }
            var copy = imageCopier.Copy(image, ct);
            await Task.WhenAll(Note(image, hooks.PulledThrough(image, ct)), copy);
            await Note(image, hooks.Copied(image, await copy, ct));
            return true;
        }
        catch (CopyException e)
        {
            LogCopyFailed(image, e.Message);
            if (e is { Kind: CopyException.Internal, InnerException: { } fault })
                LogBroken(image, ExceptionSummary.WithStack(fault));
            return false;
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception e)
        {
            // What was handed in failed (the lock's database, say): the pull has its answer, and the next one tries again.
            LogBroken(image, ExceptionSummary.WithStack(e));
            return false;
        }
    }

    /// <summary>An image's copy that failed is asked for again, by the event that its pull left; a child's is not. So it is tried again
    /// here, for seconds.</summary>
    private async Task CopyChild(ImageReference image, CancellationToken ct)
    {
        for (var pause = FirstPause; ; pause *= 4)
            try
            {
                await imageCopier.RunForChild(image, ct);
                return;
            }
            catch (CopyException e) when (e.RetryHelps && pause <= LongestPause)
            {
                await Task.Delay(pause, time, ct);
            }
    }

    private async Task Note(ImageReference image, Task noted)
    {
        try
        {
            await noted;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNotNoted(image, ExceptionSummary.WithStack(e));   // for example because its database is away; the copy is made all the same
        }
    }

    /// <summary>True for an entry of an index: of one that was just seen, or of one that the cache has.</summary>
    private async Task<bool> IsChild(ImageReference image, CancellationToken ct)
    {
        if (image.Digest is null)
            return false;
        if (manifestFetcher.IsKnownChild(image))
            return true;
        return await indexes.Contains(CachePath.Of(image), image.Digest, ct);
    }

    [LoggerMessage(LogLevel.Warning, "{Image} is pulled through without the cache: {Reason}")]
    private partial void LogCacheAway(ImageReference image, string reason);

    [LoggerMessage(LogLevel.Warning, "{Image} was pulled through but not copied into the cache: {Reason}")]
    private partial void LogCopyFailed(ImageReference image, string reason);

    [LoggerMessage(LogLevel.Error, "{Image} was pulled through but not copied into the cache: {Fault}")]
    private partial void LogBroken(ImageReference image, string fault);

    [LoggerMessage(LogLevel.Warning, "the pull of {Image} is not recorded: {Fault}")]
    private partial void LogNotNoted(ImageReference image, string fault);
}
