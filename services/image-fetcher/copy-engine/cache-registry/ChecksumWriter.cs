using Kuik.Oci;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Stores the checksum of a large blob beside it in the cache, in the background: a copy neither waits for it nor fails with it. Without a
/// checksum node-proxy hashes the blob, which is only slower.
/// </summary>
internal sealed partial class ChecksumWriter(CacheRegistry cache, CacheWriters writers, ILogger<ChecksumWriter> logger,
    CancellationToken stopping)
{
    private readonly SingleFlight<(string Repository, string Digest), bool> _running = new(stopping);

    /// <summary>Stores the checksum of a blob whose digest has just been verified.</summary>
    public void Start(string repository, BlobChecksum checksum) =>
        Begin(repository, checksum.Digest, checksum.Size, _ => Task.FromResult<BlobChecksum?>(checksum));

    /// <summary>Stores the checksum of a blob that was mounted from another repository, copied from there.</summary>
    public void StartForMount(WantedBlob blob, string from) =>
        Begin(blob.Repository, blob.Digest, blob.SizeInBytes ?? 0, async stop =>
            await cache.GetManifest(from, CacheTags.OfChecksum(blob.Digest), stop) is { } stored ? BlobChecksum.Parse(stored.Bytes) : null);

    private void Begin(string repository, string digest, long size, Func<CancellationToken, Task<BlobChecksum?>> find)
    {
        if (size >= BlobChecksum.WorthIt)
            _ = _running.RunOnce((repository, digest), stop => Keep(repository, digest, find, stop));
    }

    private async Task<bool> Keep(string repository, string digest, Func<CancellationToken, Task<BlobChecksum?>> find,
        CancellationToken ct)
    {
        try
        {
            if (await find(ct) is not { } checksum)
                return false;
            var (tag, bytes) = (CacheTags.OfChecksum(digest), checksum.ToManifest());
            await using var writer = writers.For(repository);
            // as for every manifest: neither an eviction nor a garbage collection runs meanwhile
            await using var held = await writer.Lock(ct);
            if ((await cache.HeadManifest(repository, tag, ct))?.Digest == Digest.Sha256(bytes))
                return true;
            await cache.EnsureEmptyBlob(repository, ct);
            await writer.EnsureMayWrite(ct);
            await cache.PutManifest(repository, tag, bytes, MediaTypes.OciManifest, ct);
            return true;
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception e)
        {
            LogNotKept(e, digest, repository);   // a failure of the cache, or of Postgres for the lock
            return false;
        }
    }

    [LoggerMessage(LogLevel.Warning, "Checksum of blob {Digest} not stored in {Repository}; node-proxy hashes the blob instead")]
    private partial void LogNotKept(Exception fault, string digest, string repository);
}
