using System.Net.Http.Headers;
using Kuik.Contracts;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>A blob that has to be in a repository of the cache.</summary>
/// <param name="Image">Whose, so that it says which origin has it and with what it is opened; named by the blob's own digest where that is all that is known.</param>
/// <param name="Digest">Which.</param>
/// <param name="SizeInBytes">What the manifest says; null when it is not known.</param>
internal sealed record WantedBlob(ImageReference Image, string Digest, long? SizeInBytes)
{
    /// <summary>Where in the cache.</summary>
    public string Repository => CachePath.Of(Image);

    /// <summary>A replica that has some of it and hands it over; null for none.</summary>
    public Uri? HeldBy { get; init; }
}

/// <summary>
/// Brings a blob into a repository of the cache: it is there; or another repository of the cache has it and it is mounted; or its owner among the
/// replicas downloads it once, and uploads it while it comes in.
/// </summary>
internal sealed class BlobCopier(
    CacheRegistry cache, Spool spool, OriginClient originClient, PerHostLimiter requests, PerHostLimiter downloads, RendezvousRing owners, OwnerClient ask, PeerSpools peers,
    ChecksumWriter checksumWriter, ShareCache shareCache, EngineMetrics metrics, TimeProvider time, CancellationToken stopping)
{
    /// <summary>How long the cache's "not there" is good for the steps that follow the question; most follow at once.</summary>
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(1);

    /// <summary>How long the cache may take to say whether it has got a blob meanwhile.</summary>
    private static readonly TimeSpan CachePatience = TimeSpan.FromSeconds(5);

    private readonly SingleFlight<(string Repository, string Digest), long> _running = new(stopping, new WorkInstrumentation("blob", metrics));
    private readonly KeyedLock _uploads = new();
    private readonly BoundedCache<string, string> _repositoryOf = new(most: 100_000);
    private readonly BoundedCache<(string Repository, string Digest), DateTimeOffset> _missingUntil = new(most: 1000);

    /// <summary>Makes sure that the cache has the blob, whoever has to fetch it.</summary>
    /// <returns>How many bytes came from the origin for it; 0 when the cache had them.</returns>
    /// <exception cref="CopyException">The cache does not have it.</exception>
    public async Task<long> Copy(WantedBlob blob, CancellationToken stop)
    {
        if (await HasCome(blob, stop))
            return 0;
        await foreach (var owner in owners.InOrder(blob.Digest, stop))
        {
            if (owner is null)
                break;
            try
            {
                if (await ask.ToCopy(owner, blob, stop) is not { } copied)
                    break;
                Saw(blob.Repository, blob.Digest);
                return copied;
            }
            catch (ReplicaUnreachableException e)
            {
                owners.Failed(owner, e);
            }
        }
        return await InTurn(blob, stop);
    }

    /// <summary>The owner's part for another replica; null when this one is stopping and does not have the blob under way.</summary>
    /// <inheritdoc cref="AsOwner"/>
    public Task<long>? ForPeer(WantedBlob blob, bool isHandedOver, CancellationToken ct)
    {
        if (!owners.IsDraining)
            return isHandedOver ? TakeOver(blob) : InTurn(blob, ct);   // the replica that asks for a copy shares the cache for it
        return UnderWay(blob)?.WaitAsync(ct);
    }

    /// <summary>The owner's part for a background copy: it waits until its host may be asked for one more. One that is under way is joined at once.</summary>
    /// <inheritdoc cref="AsOwner"/>
    public async Task<long> InTurn(WantedBlob blob, CancellationToken stop)
    {
        if (UnderWay(blob) is { } underWay)
            return await underWay.WaitAsync(stop);
        if (owners.IsDraining)
            throw new CopyException(CopyException.Stopping, $"blob {blob.Digest}: image-fetcher is stopping", retryHelps: true);
        var turn = await metrics.While("turn", () => requests.Enter(blob.Image.Host, stop));
        var work = AsOwner(blob);
        _ = work.ContinueWith(_ => turn.Dispose(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);   // when it ends, not when its waiter leaves
        return await work.WaitAsync(stop);
    }

    /// <summary>The owner's part, at once. Once for all who want the same at the same time; goes on when they leave.</summary>
    /// <param name="blob">Which, and where to.</param>
    /// <param name="download">The download, if it has been joined already: a reader that has read nothing. The caller disposes of it.</param>
    /// <exception cref="CopyException">The cache does not have it.</exception>
    public Task<long> AsOwner(WantedBlob blob, SpoolReader? download = null)
    {
        if (UnderWay(blob) is { } underWay)
        {
            download?.Dispose();   // one that is not read holds up the others
            return underWay;
        }
        return _running.RunOnce((blob.Repository, blob.Digest), async stop =>
        {
            // Two repositories that want the same blob: the second one waits, and then mounts what the first one has got. The first one's
            // download can go on at the second one's origin.
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

    /// <summary>The blob in the spool, on its way from the origin if it was not there.</summary>
    public SpoolReader Download(WantedBlob blob) => spool.Join(Source(blob));

    /// <summary>The blob if it is in the spool or on its way; it has one more source then.</summary>
    public SpoolReader? Find(WantedBlob blob) => spool.Find(blob.Digest, Source(blob));

    /// <summary>The same for another replica: null also where this one may get it from that one.</summary>
    public SpoolReader? Find(WantedBlob blob, string asker)
    {
        var reader = spool.Find(blob.Digest, Source(blob), isPeer: true);
        // Of two that ask each other, one goes to the origin; and no two read from each other.
        if (reader is null || reader.IsComplete || string.CompareOrdinal(owners.Identity, asker) < 0 || !reader.TryRefusePeer())
            return reader;
        reader.Dispose();
        return null;
    }

    /// <summary>Bytes of a blob that have arrived; 0 when it is not under way.</summary>
    public long Progress(string digest) => spool.WrittenOf(digest);

    private async Task<long> TakeOver(WantedBlob blob)
    {
        await using var share = await shareCache(blob.Repository, stopping);
        return await AsOwner(blob);
    }

    private Task<long>? UnderWay(WantedBlob blob) => _running.Find((blob.Repository, blob.Digest));

    private BlobSource Source(WantedBlob blob) => new(blob.Image.Name, blob.Digest, blob.SizeInBytes, (from, ct) => originClient.OpenBlob(blob.Image, blob.Digest, from, ct))
    {
        Wanted = blob,
        Turn = ct => downloads.Enter(blob.Image.Host, ct),
        FindPeer = ct => FindElsewhere(blob, ct),
    };

    /// <summary>
    /// Another replica that has the blob; or the cache, which has got it meanwhile where it has left another replica's spool since the cache
    /// was asked. Null when it has to come from an origin.
    /// </summary>
    private async Task<BlobSource?> FindElsewhere(WantedBlob blob, CancellationToken ct)
    {
        if (await peers.Find(blob, ct) is { } peer)
            return peer;
        return await owners.IsAlone(ct) || !await IsInCache(blob, ct) ? null : new BlobSource(
            "the cache registry", blob.Digest, blob.SizeInBytes,
            async (from, stop) => await cache.OpenBlob(blob.Repository, blob.Digest, from == 0 ? null : new RangeHeaderValue(from, null), stop)
                ?? throw new CopyException(CopyException.Gone, $"the cache registry does not have blob {blob.Digest} any more", retryHelps: true))
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

    /// <summary>Remembers where the cache has a blob.</summary>
    public void Saw(string repository, string digest) => _repositoryOf.Set(digest, repository);

    /// <summary>Has the blob been seen in its repository? It may have left since.</summary>
    public bool HasSeen(WantedBlob blob) => _repositoryOf.TryGet(blob.Digest, out var repository) && repository == blob.Repository;

    /// <summary>Is it in its repository, perhaps by mounting it from another one that is known to have it?</summary>
    public async Task<bool> IsThere(WantedBlob blob, CancellationToken stop)
    {
        var isThere = await cache.HasBlob(blob.Repository, blob.Digest, stop);
        if (!isThere && _repositoryOf.TryGet(blob.Digest, out var other) && other != blob.Repository)
        {
            isThere = await cache.Mount(blob.Repository, blob.Digest, other, stop);
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

    /// <summary>The same after <see cref="IsThere"/> has said no: asked again only if this replica has stored the blob meanwhile, or that is some time ago.</summary>
    private async Task<bool> HasCome(WantedBlob blob, CancellationToken stop) =>
        (_repositoryOf.TryGet(blob.Digest, out _) || !_missingUntil.TryGet((blob.Repository, blob.Digest), out var until) || until < time.GetUtcNow()) && await IsThere(blob, stop);

    private async Task<long> FetchAndUpload(WantedBlob blob, SpoolReader? joined, CancellationToken stop)
    {
        using var own = joined is null ? Download(blob) : null;
        var download = joined ?? own!;
        var size = await download.Begun.WaitAsync(stop);
        var sent = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await cache.Upload(blob.Repository, blob.Digest, () => new SpoolContent(download, size, sent), sent.Task, stop);
        Saw(blob.Repository, blob.Digest);
        checksumWriter.Start(blob.Repository, download.Checksum);
        spool.Stored(blob.Digest);
        return download.Written;
    }
}
