using System.Net.Http.Headers;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Copies a blob into a repository of the cache. It is there already; or it is mounted from another repository of the cache; or its owner
/// among the replicas downloads it once, and uploads it during the download.
/// </summary>
internal sealed class BlobCopier(
    CacheRegistry cache, Spool spool, OriginClient originClient, PerHostLimiter requests, PerHostLimiter downloads, RendezvousRing owners,
    OwnerClient ask, PeerSpools peers,
    ChecksumWriter checksumWriter, ShareCache shareCache, EngineMetrics metrics, TimeProvider time, CancellationToken stopping)
{
    /// <summary>How long a 404 of the cache is valid for the following steps; most follow at once.</summary>
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(1);

    /// <summary>The time limit for asking the cache whether the blob has arrived meanwhile.</summary>
    private static readonly TimeSpan CachePatience = TimeSpan.FromSeconds(5);

    private readonly SingleFlight<(string Repository, string Digest), long> _running =
        new(stopping, new WorkInstrumentation("blob", metrics));
    private readonly KeyedLock _uploads = new();
    private readonly BoundedCache<string, string> _repositoryOf = new(most: 100_000);
    private readonly BoundedCache<(string Repository, string Digest), DateTimeOffset> _missingUntil = new(most: 1000);

    /// <summary>Ensures that the cache has the blob, downloaded by this replica or another.</summary>
    /// <returns>Bytes downloaded from the origin; 0 when the cache had the blob.</returns>
    /// <exception cref="CopyException">The cache does not have it.</exception>
    public async Task<long> Copy(WantedBlob blob, CancellationToken ct)
    {
        if (await HasCome(blob, ct))
            return 0;
        await foreach (var owner in owners.InOrder(blob.Digest, ct))
        {
            if (owner is null)
                break;
            try
            {
                if (await ask.ToCopy(owner, blob, ct) is not { } copied)
                    break;
                Saw(blob.Repository, blob.Digest);
                return copied;
            }
            catch (ReplicaUnreachableException e)
            {
                owners.Failed(owner, e);
            }
        }
        return await InTurn(blob, ct);
    }

    /// <summary>
    /// The owner's work on behalf of another replica; null when this replica is stopping and is not downloading the blob.
    /// </summary>
    /// <inheritdoc cref="AsOwner"/>
    public Task<long>? ForPeer(WantedBlob blob, bool isHandedOver, CancellationToken ct)
    {
        if (!owners.IsDraining)
            return isHandedOver ? TakeOver(blob) : InTurn(blob, ct);   // the replica that asks for the copy holds the share of the cache
        return UnderWay(blob)?.WaitAsync(ct);
    }

    /// <summary>
    /// The owner's work for a background copy: waits for a permit of the origin host. A running download is joined at once.
    /// </summary>
    /// <inheritdoc cref="AsOwner"/>
    public async Task<long> InTurn(WantedBlob blob, CancellationToken ct)
    {
        if (UnderWay(blob) is { } underWay)
            return await underWay.WaitAsync(ct);
        if (owners.IsDraining)
            throw new CopyException(CopyException.Stopping, $"blob {blob.Digest}: image-fetcher is stopping", retryHelps: true);
        var turn = await metrics.While("turn", () => requests.Enter(blob.Image.Host, ct));
        var work = AsOwner(blob);
        // Released at the work's end, not when its waiter leaves.
        _ = work.ContinueWith(_ => turn.Dispose(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        return await work.WaitAsync(ct);
    }

    /// <summary>The owner's work, at once and in single flight; it continues when its callers leave.</summary>
    /// <param name="blob">The blob and its repository.</param>
    /// <param name="download">The download, if it has been joined already: a reader that has read nothing. The caller
    /// disposes of it.</param>
    /// <exception cref="CopyException">The cache does not have it.</exception>
    public Task<long> AsOwner(WantedBlob blob, SpoolReader? download = null)
    {
        if (UnderWay(blob) is { } underWay)
        {
            download?.Dispose();   // a reader that does not read delays the others
            return underWay;
        }
        return _running.RunOnce((blob.Repository, blob.Digest), async stop =>
        {
            // If two repositories want the same blob, the second waits, and then mounts the blob of the first. The first one's download may
            // continue at the second one's origin.
            spool.AddSource(Source(blob));
            if (_uploads.IsHeld(blob.Digest))
            {
                download?.Dispose();
                download = null;
            }
            using (await _uploads.Enter(blob.Digest, stop))
                return await HasCome(blob, stop) ? 0 : await FetchAndUpload(blob, download, stop);
        });
    }

    /// <summary>The blob in the spool, downloaded from the origin if it was not there.</summary>
    public SpoolReader Download(WantedBlob blob) => spool.Join(Source(blob));

    /// <summary>The blob if it is in the spool, complete or not; it gets one more source then.</summary>
    public SpoolReader? Find(WantedBlob blob) => spool.Find(blob.Digest, Source(blob));

    /// <summary>The same for another replica: null also when this one may read it from that one.</summary>
    public SpoolReader? Find(WantedBlob blob, string asker)
    {
        var reader = spool.Find(blob.Digest, Source(blob), isPeer: true);
        // Of two replicas that ask each other, one goes to the origin; and no two read from each other.
        if (reader is null || reader.IsComplete || string.CompareOrdinal(owners.Identity, asker) < 0 || !reader.TryRefusePeer())
            return reader;
        reader.Dispose();
        return null;
    }

    /// <summary>Bytes of a blob that have arrived; 0 when it is not being downloaded.</summary>
    public long Progress(string digest) => spool.WrittenOf(digest);

    private async Task<long> TakeOver(WantedBlob blob)
    {
        await using var share = await shareCache(blob.Repository, stopping);
        return await AsOwner(blob);
    }

    private Task<long>? UnderWay(WantedBlob blob) => _running.Find((blob.Repository, blob.Digest));

    private BlobSource Source(WantedBlob blob) =>
        new(blob.Image.Name, blob.Digest, blob.SizeInBytes, (from, ct) => originClient.OpenBlob(blob.Image, blob.Digest, from, ct))
        {
            Wanted = blob,
            Turn = ct => downloads.Enter(blob.Image.Host, ct),
            FindPeer = ct => FindElsewhere(blob, ct),
        };

    /// <summary>
    /// Another replica that has the blob; or the cache, which may have received it meanwhile, if the blob has left another replica's spool
    /// since. Null when it has to come from an origin.
    /// </summary>
    private async Task<BlobSource?> FindElsewhere(WantedBlob blob, CancellationToken ct)
    {
        if (await peers.Find(blob, ct) is { } peer)
            return peer;
        return await owners.IsAlone(ct) || !await IsInCache(blob, ct) ? null : new BlobSource(
            "the cache registry", blob.Digest, blob.SizeInBytes,
            async (from, stop) =>
                await cache.OpenBlob(blob.Repository, blob.Digest, from == 0 ? null : new RangeHeaderValue(from, null), stop)
                ?? throw new CopyException(CopyException.Gone, $"the cache registry does not have blob {blob.Digest} any more",
                    retryHelps: true))
        { IsPeer = true };
    }

    private async Task<bool> IsInCache(WantedBlob blob, CancellationToken ct)
    {
        using var limit = new CancellationTokenSource(CachePatience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, ct);
        try
        {
            return await cache.HasBlob(blob.Repository, blob.Digest, either.Token);
        }
        catch (Exception e) when (e is CopyException || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            return false;   // the origin has it
        }
    }

    /// <summary>Records a repository of the cache that has the blob.</summary>
    public void Saw(string repository, string digest) => _repositoryOf.Set(digest, repository);

    /// <summary>True when the blob was seen in its repository; it may have been removed since.</summary>
    public bool HasSeen(WantedBlob blob) => _repositoryOf.TryGet(blob.Digest, out var repository) && repository == blob.Repository;

    /// <summary>True when the blob is in its repository, or could be mounted from another one that is known to have it.</summary>
    public async Task<bool> IsThere(WantedBlob blob, CancellationToken ct)
    {
        var isThere = await cache.HasBlob(blob.Repository, blob.Digest, ct);
        if (!isThere && _repositoryOf.TryGet(blob.Digest, out var other) && other != blob.Repository)
        {
            isThere = await cache.Mount(blob.Repository, blob.Digest, other, ct);
            if (isThere)
                checksumWriter.StartForMount(blob, other);
            else
                _repositoryOf.Forget(blob.Digest);
        }
        if (isThere)
            Saw(blob.Repository, blob.Digest);
        else
            _missingUntil.Set((blob.Repository, blob.Digest), time.GetUtcNow() + Moment);
        return isThere;
    }

    /// <summary>
    /// The check after <see cref="IsThere"/> was false: repeated only if this replica has stored the blob meanwhile, or some
    /// time has passed.
    /// </summary>
    private async Task<bool> HasCome(WantedBlob blob, CancellationToken ct) =>
        (_repositoryOf.TryGet(blob.Digest, out _) || !_missingUntil.TryGet((blob.Repository, blob.Digest), out var until)
            || until < time.GetUtcNow()) && await IsThere(blob, ct);

    private async Task<long> FetchAndUpload(WantedBlob blob, SpoolReader? joined, CancellationToken ct)
    {
        using var own = joined is null ? Download(blob) : null;
        var download = joined ?? own!;
        var size = await download.Begun.WaitAsync(ct);
        var sent = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await cache.Upload(blob.Repository, blob.Digest, () => new SpoolContent(download, size, sent), sent.Task, ct);
        Saw(blob.Repository, blob.Digest);
        checksumWriter.Start(blob.Repository, download.Checksum);
        spool.Stored(blob.Digest);
        return download.Written;
    }
}
