using Kuik.Contracts;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Deletes the manifests, checksums and tombstones of one repository of the cache that no tag needs any more. Costs a few requests for each
/// tag, so one sweep follows many evictions. Nothing is deleted while a listed tag cannot be read down to its last stored manifest. A
/// repeated sweep deletes the rest.
/// </summary>
public sealed partial class RepositorySweeper
{
    private readonly CacheRegistry _cache;
    private readonly CacheWriters _writers;
    private readonly ILogger<RepositorySweeper> _logger;

    internal RepositorySweeper(CacheRegistry cache, CacheWriters writers, ILogger<RepositorySweeper> logger) =>
        (_cache, _writers, _logger) = (cache, writers, logger);

    /// <summary>Sweeps a repository, under its lock.</summary>
    /// <param name="repository">A path of <see cref="CachePath.Of"/>.</param>
    /// <param name="inUse">Digests that stay with all they need although no tag may name them: pods run them.</param>
    /// <param name="ct">Cancels the sweep; deletions made so far are kept.</param>
    /// <exception cref="CopyException">The cache registry failed, or the lock was lost.</exception>
    public async Task<Sweep> Sweep(string repository, IReadOnlyCollection<string> inUse, CancellationToken ct)
    {
        await using var writer = _writers.For(repository);
        await using var held = await writer.Lock(ct);
        try
        {
            await writer.EnsureMayDelete(ct);
            var reachable = new ReachableManifests(_cache, repository, await _cache.Tags(repository, ct), inUse);
            if (await reachable.Read(ct) is { } doubt)
            {
                LogDoubt(repository, doubt);
                return new Sweep(0, doubt);
            }
            var deleted = await DeleteOthers(repository, reachable, writer, ct);
            if (deleted > 0)
                LogSwept(repository, deleted);
            return new Sweep(deleted, null) { Kept = reachable.Kept };
        }
        catch (LockLostException e)
        {
            throw new CopyException(CopyException.Cache, $"{repository} is not swept to the end: {e.Message}", retryHelps: true, inner: e);
        }
    }

    private async Task<int> DeleteOthers(string repository, ReachableManifests reachable, CacheWriter writer, CancellationToken ct)
    {
        var deleted = 0;
        foreach (var tombstone in reachable.Tombstones)
        {
            await writer.EnsureMayDelete(ct);
            await _cache.DeleteManifest(repository, tombstone, ct);   // left over by an interrupted eviction
        }
        foreach (var tag in reachable.LooseReferrers)
        {
            await writer.EnsureMayDelete(ct);
            await _cache.RemoveTag(repository, tag, ct);
        }
        foreach (var tag in reachable.LooseHolds)
            if ((await _cache.HeadManifest(repository, tag, ct))?.Digest is { } digest)
            {
                await writer.EnsureMayDelete(ct);
                if (await _cache.DeleteManifest(repository, digest, ct))
                    deleted++;
            }
        return deleted;
    }

    [LoggerMessage(LogLevel.Information, "Swept {Repository} of the cache: deleted {Count} unreferenced manifests")]
    private partial void LogSwept(string repository, int count);

    [LoggerMessage(LogLevel.Warning,
        "Nothing swept from {Repository} of the cache, because its references could not be read completely: {Doubt}")]
    private partial void LogDoubt(string repository, string doubt);
}
