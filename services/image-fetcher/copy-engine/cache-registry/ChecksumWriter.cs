using Kuik.Oci;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Leaves the checksum of a large blob in the cache, beside the blob, in the background: where it is missing, node-proxy hashes the blob, which is slower and nothing worse. So a
/// copy neither waits for it nor fails with it.
/// </summary>
internal sealed partial class ChecksumWriter(CacheRegistry cache, CacheWriters writers, ILogger<ChecksumWriter> logger,
    CancellationToken stopping)
{
    private readonly SingleFlight<(string Repository, string Digest), bool> _running = new(stopping);

    /// <summary>Of a blob whose digest has just been verified.</summary>
    public void Start(string repository, BlobChecksum checksum) =>
        Begin(repository, checksum.Digest, checksum.Size, _ => Task.FromResult<BlobChecksum?>(checksum));

    /// <summary>Of a blob that has been mounted from another repository: what that one says of it.</summary>
    public void StartForMount(WantedBlob blob, string from) =>
        Begin(blob.Repository, blob.Digest, blob.SizeInBytes ?? 0, async stop =>
            await cache.GetManifest(from, CacheTags.OfChecksum(blob.Digest), stop) is { } stored ? BlobChecksum.Parse(stored.Bytes) : null);

    private void Begin(string repository, string digest, long size, Func<CancellationToken, Task<BlobChecksum?>> find)
    {
        if (size >= BlobChecksum.WorthIt)
            _ = _running.RunOnce((repository, digest), stop => Keep(repository, digest, find, stop));
    }

    private async Task<bool> Keep(string repository, string digest, Func<CancellationToken, Task<BlobChecksum?>> find, CancellationToken stop)
    {
        try
        {
            if (await find(stop) is not { } checksum)
                return false;
            var (tag, bytes) = (CacheTags.OfChecksum(digest), checksum.ToManifest());
            await using var writer = writers.For(repository);
            // like every manifest: neither an eviction nor a garbage collection runs meanwhile
            await using var held = await writer.Lock(stop);
            if ((await cache.HeadManifest(repository, tag, stop))?.Digest == Digest.Sha256(bytes))
                return true;
            await cache.EnsureEmptyBlob(repository, stop);
            await writer.EnsureMayWrite(stop);
            await cache.PutManifest(repository, tag, bytes, MediaTypes.OciManifest, stop);
            return true;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception e)
        {
            LogNotKept(e, digest, repository);   // the cache's, or the lock's, whose database may be away
            return false;
        }
    }

    [LoggerMessage(LogLevel.Warning, "the checksum of blob {Digest} is not kept in {Repository}: nodes will hash the blob instead")]
    private partial void LogNotKept(Exception fault, string digest, string repository);
}
