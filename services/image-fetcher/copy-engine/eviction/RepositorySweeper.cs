using Kuik.Contracts;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The outcome of one sweep.</summary>
/// <param name="Deleted">How many manifests were deleted.</param>
/// <param name="Doubt">What could not be read completely, so that nothing was deleted; null when everything could.</param>
public sealed record Sweep(int Deleted, string? Doubt);

/// <summary>
/// Deletes from one repository of the cache what none of its tags needs any more: manifests, checksums of blobs, tombstones. Costs a few
/// requests for each tag, so one sweep follows many evictions. Nothing is deleted while a tag that is listed cannot be read down to its
/// last stored manifest. Run again, it deletes what is left.
/// </summary>
public sealed partial class RepositorySweeper
{
    private readonly CacheRegistry _cache;
    private readonly CacheWriters _writers;
    private readonly ILogger<RepositorySweeper> _logger;

    internal RepositorySweeper(CacheRegistry cache, CacheWriters writers, ILogger<RepositorySweeper> logger) =>
        (_cache, _writers, _logger) = (cache, writers, logger);

    /// <summary>Sweeps, under the repository's lock.</summary>
    /// <param name="repository">A path of <see cref="CachePath.Of"/>.</param>
    /// <param name="stop">Ends it; what has been deleted stays deleted.</param>
    /// <exception cref="CopyException">The cache registry did not do it, or the lock was lost.</exception>
    public async Task<Sweep> Sweep(string repository, CancellationToken stop)
    {
        await using var writer = _writers.For(repository);
        await using var held = await writer.Lock(stop);
        try
        {
            await writer.EnsureMayDelete(stop);
            var reachable = new ReachableManifests(_cache, repository, await _cache.Tags(repository, stop));
            if (await reachable.Read(stop) is { } doubt)
            {
                LogDoubt(repository, doubt);
                return new Sweep(0, doubt);
            }
            var deleted = await DeleteOthers(repository, reachable, writer, stop);
            if (deleted > 0)
                LogSwept(repository, deleted);
            return new Sweep(deleted, null);
        }
        catch (LockLostException e)
        {
            throw new CopyException(CopyException.Cache, $"{repository} is not swept to the end: {e.Message}", retryHelps: true, inner: e);
        }
    }

    private async Task<int> DeleteOthers(string repository, ReachableManifests reachable, CacheWriter writer, CancellationToken stop)
    {
        var deleted = 0;
        foreach (var tombstone in reachable.Tombstones)
        {
            await writer.EnsureMayDelete(stop);
            await _cache.DeleteManifest(repository, tombstone, stop);   // left over by an eviction that was interrupted
        }
        foreach (var tag in reachable.LooseReferrers)
        {
            await writer.EnsureMayDelete(stop);
            await _cache.RemoveTag(repository, tag, stop);
        }
        foreach (var tag in reachable.LooseHolds)
            if ((await _cache.HeadManifest(repository, tag, stop))?.Digest is { } digest)
            {
                await writer.EnsureMayDelete(stop);
                if (await _cache.DeleteManifest(repository, digest, stop))
                    deleted++;
            }
        return deleted;
    }

    [LoggerMessage(LogLevel.Information, "{Repository} of the cache is swept: {Count} manifests that no tag needs are deleted")]
    private partial void LogSwept(string repository, int count);

    [LoggerMessage(LogLevel.Warning,
        "nothing is swept from {Repository} of the cache, because it is not certain what its tags need: {Doubt}")]
    private partial void LogDoubt(string repository, string doubt);
}
