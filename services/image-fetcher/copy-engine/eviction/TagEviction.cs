using Kuik.Contracts;
using Kuik.Oci;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Removes an image's tag from the cache registry. Other tags keep their manifests, even if it is the same one. Manifests that no tag needs
/// any more are deleted by the next <see cref="RepositorySweeper"/>.
/// </summary>
public sealed partial class TagEviction
{
    private readonly CacheRegistry _cache;
    private readonly CacheWriters _writers;
    private readonly RepositorySweeper _sweep;
    private readonly ILogger<TagEviction> _logger;

    internal TagEviction(CacheRegistry cache, CacheWriters writers, RepositorySweeper sweep, ILogger<TagEviction> logger) =>
        (_cache, _writers, _sweep, _logger) = (cache, writers, sweep, logger);

    /// <summary>Removes the tag. Blobs are deleted by the registry's own garbage collection, after the repository has been swept.</summary>
    /// <param name="image">By tag or by digest.</param>
    /// <param name="isStillExpired">Called under the repository's lock, right before the tag is removed; if false,
    /// nothing is removed.</param>
    /// <param name="ct">Cancels the eviction.</param>
    /// <returns>False when the image was no longer expired.</returns>
    /// <exception cref="CopyException">The cache registry failed, or the lock was lost.</exception>
    public async Task<bool> Evict(ImageReference image, Func<CancellationToken, Task<bool>> isStillExpired, CancellationToken ct)
    {
        var repository = CachePath.Of(image);
        await using var writer = _writers.For(repository);
        await using var held = await writer.Lock(ct);
        if (!await isStillExpired(ct))
            return false;
        try
        {
            await writer.EnsureMayDelete(ct);
            await _cache.RemoveTag(repository, CacheTags.OfImage(image), ct);
        }
        catch (LockLostException e)
        {
            throw new CopyException(CopyException.Cache, $"{image} is not removed from the cache: {e.Message}", retryHelps: true, inner: e);
        }
        LogEvicted(image);
        return true;
    }

    /// <summary>Evicts an image unconditionally, and sweeps its repository at once.</summary>
    /// <inheritdoc cref="Evict(ImageReference, Func{CancellationToken, Task{bool}}, CancellationToken)"/>
    public async Task Evict(ImageReference image, CancellationToken ct)
    {
        await Evict(image, _ => Task.FromResult(true), ct);
        await _sweep.Sweep(CachePath.Of(image), [], ct);
    }

    [LoggerMessage(LogLevel.Information, "Evicted {Image} from the cache")]
    private partial void LogEvicted(ImageReference image);
}
