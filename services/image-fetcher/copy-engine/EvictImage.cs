using Kuik.Contracts;
using Kuik.Oci;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Removes an image's tag from the cache registry, and then what no tag of the repository needs any more. Other tags keep what they name, also when it
/// is the same manifest. Run again, it removes what is left.
/// </summary>
public sealed partial class EvictImage
{
    private readonly CacheRegistry _cache;
    private readonly LockRepository _lockRepository;
    private readonly ILogger<EvictImage> _logger;

    internal EvictImage(CacheRegistry cache, LockRepository lockRepository, ILogger<EvictImage> logger) =>
        (_cache, _lockRepository, _logger) = (cache, lockRepository, logger);

    /// <summary>Evicts an image. Blobs go in the registry's own garbage collection.</summary>
    /// <param name="image">By tag or by digest.</param>
    /// <param name="isStillExpired">Asked under the repository's lock, right before the tag is removed: when false, nothing is.</param>
    /// <param name="stop">Ends it; what has been removed stays removed.</param>
    /// <returns>False when it was not to be removed any more.</returns>
    /// <exception cref="CopyFailed">The cache registry did not do it.</exception>
    public async Task<bool> Run(ImageReference image, Func<CancellationToken, Task<bool>> isStillExpired, CancellationToken stop)
    {
        var repository = CachePath.Of(image);
        await using (await _lockRepository(repository, stop))
        {
            if (!await isStillExpired(stop))
                return false;
            await _cache.RemoveTag(repository, CacheTags.OfImage(image), stop);
            var swept = await Sweep(repository, stop);
            LogEvicted(image, swept);
            return true;
        }
    }

    /// <summary>Evicts an image whatever anybody thinks of it.</summary>
    /// <inheritdoc cref="Run(ImageReference, Func{CancellationToken, Task{bool}}, CancellationToken)"/>
    public Task Run(ImageReference image, CancellationToken stop) => Run(image, _ => Task.FromResult(true), stop);

    /// <summary>
    /// 1. Which digests the repository's tags reach. 2. Followers of what is reached are reached too; tags of others go. 3. Holds on any other digest go, with
    /// their manifests, and checksums of blobs that no manifest has any more. Called under the repository's lock.
    /// </summary>
    private async Task<int> Sweep(string repository, CancellationToken stop)
    {
        // 1.
        var tags = await _cache.Tags(repository, stop);
        var reached = new HashSet<string>();
        foreach (var tag in tags.Where(tag => !CacheTags.IsHold(tag) && !CacheTags.IsChecksum(tag) && CacheTags.SubjectOf(tag) is null))
            if (await _cache.GetManifest(repository, tag, stop) is { } stored)
            {
                if (CacheRegistry.IsTombstone(stored))
                    await _cache.DeleteManifest(repository, stored.Digest, stop);   // left over by an eviction that was interrupted
                else
                    await Reach(repository, await _cache.Find(repository, tag, stop) ?? stored, reached, stop);
            }

        // 2.
        foreach (var tag in await NotReached(repository, tags, reached, stop))
            await _cache.RemoveTag(repository, tag, stop);

        // 3.
        var swept = 0;
        foreach (var tag in tags.Where(tag => (CacheTags.IsHold(tag) || CacheTags.IsChecksum(tag)) && !reached.Contains(tag)))
            if ((await _cache.HeadManifest(repository, tag, stop))?.Digest is { } digest && await _cache.DeleteManifest(repository, digest, stop))
                swept++;
        return swept;
    }

    /// <summary>The tags of followers whose subject nothing reaches; what the others keep is added to what is reached. A follower may have followers.</summary>
    private async Task<IReadOnlyList<string>> NotReached(string repository, IReadOnlyList<string> tags, HashSet<string> reached, CancellationToken stop)
    {
        var left = tags.Where(tag => CacheTags.SubjectOf(tag) is not null).ToList();
        while (left.Where(tag => reached.Contains(CacheTags.OfManifest(CacheTags.SubjectOf(tag)!))).ToList() is { Count: > 0 } following)
        {
            foreach (var tag in following)
                if (await _cache.Find(repository, tag, stop) is { } manifest)
                    await Reach(repository, manifest, reached, stop);
            left = [.. left.Except(following)];
        }
        return left;
    }

    /// <summary>Adds the hold of a manifest, and of everything below it that is stored, down to the checksums of blobs.</summary>
    private async Task Reach(string repository, Manifest manifest, HashSet<string> reached, CancellationToken stop)
    {
        if (!reached.Add(CacheTags.OfManifest(manifest.Digest)))
            return;
        if (!MediaTypes.IsIndex(manifest.MediaType))
        {
            reached.UnionWith(ReadManifest.Parts(manifest).Select(part => CacheTags.OfChecksum(part.Digest)));
            return;
        }
        foreach (var entry in ReadManifest.Entries(manifest))
        {
            if (await _cache.Find(repository, entry.Digest, stop) is { } child)
                await Reach(repository, child, reached, stop);
            reached.Add(CacheTags.OfManifest(entry.Digest));
        }
    }

    [LoggerMessage(LogLevel.Information, "{Image} is evicted from the cache; {Swept} manifests that nothing else needs went with it")]
    private partial void LogEvicted(ImageReference image, int swept);
}
