using System.Collections.Concurrent;
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
}

/// <summary>
/// Brings a blob into a repository of the cache: it is there; or another repository of the cache has it and it is mounted; or its owner among the
/// replicas downloads it once, and uploads it while it comes in.
/// </summary>
internal sealed class CopyBlob(CacheRegistry cache, Spool spool, Origins origins, HostTurns requests, BlobOwners owners, AskOwner ask, KeepChecksum keepChecksum, TimeProvider time, CancellationToken stopping)
{
    /// <summary>How long the cache's "not there" is good for the steps that follow the question; most follow at once.</summary>
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(1);

    private readonly Joined<(string Repository, string Digest), long> _running = new(stopping);
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _uploads = new();
    private readonly Remembered<string, string> _repositoryOf = new(most: 100_000);
    private readonly Remembered<(string Repository, string Digest), DateTimeOffset> _missingUntil = new(most: 1000);

    /// <summary>Makes sure that the cache has the blob, whoever has to fetch it.</summary>
    /// <returns>How many bytes came from the origin for it; 0 when the cache had them.</returns>
    /// <exception cref="CopyFailed">The cache does not have it.</exception>
    public async Task<long> Run(WantedBlob blob, CancellationToken stop)
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
            catch (ReplicaGone e)
            {
                owners.Failed(owner, e);
            }
        }
        return await InTurn(blob, stop);
    }

    /// <summary>The owner's part for a background copy: it waits until its host may be asked for one more. One that is under way is joined at once.</summary>
    /// <inheritdoc cref="AsOwner"/>
    public async Task<long> InTurn(WantedBlob blob, CancellationToken stop)
    {
        if (_running.Find((blob.Repository, blob.Digest)) is { } underWay)
            return await underWay.WaitAsync(stop);
        var turn = await requests.Enter(blob.Image.Host, stop);
        var work = AsOwner(blob);
        _ = work.ContinueWith(_ => turn.Dispose(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);   // when it ends, not when its waiter leaves
        return await work.WaitAsync(stop);
    }

    /// <summary>The owner's part, at once. Once for all who want the same at the same time; goes on when they leave.</summary>
    /// <exception cref="CopyFailed">The cache does not have it.</exception>
    public Task<long> AsOwner(WantedBlob blob) => _running.Run((blob.Repository, blob.Digest), async stop =>
    {
        // Two repositories that want the same blob: the second one waits, and then mounts what the first one has got.
        var turn = _uploads.GetOrAdd(blob.Digest, _ => new SemaphoreSlim(1));
        await turn.WaitAsync(stop);
        try
        {
            return await HasCome(blob, stop) ? 0 : await FetchAndUpload(blob, stop);
        }
        finally
        {
            _uploads.TryRemove(KeyValuePair.Create(blob.Digest, turn));   // those who wait keep it; who comes later finds the blob there
            turn.Release();
        }
    });

    /// <summary>The blob in the spool, on its way from the origin if it was not there.</summary>
    public SpoolReader Download(WantedBlob blob) =>
        spool.Join(new BlobSource(blob.Digest, blob.SizeInBytes, (from, stop) => origins.OpenBlob(blob.Image, blob.Digest, from, stop)));

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
                keepChecksum.RunForMount(blob, other);
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

    private async Task<long> FetchAndUpload(WantedBlob blob, CancellationToken stop)
    {
        using var download = Download(blob);
        var size = await download.Begun.WaitAsync(stop);
        var sent = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await cache.Upload(blob.Repository, blob.Digest, () => new SpoolContent(download, size, sent), sent.Task, stop);
        Saw(blob.Repository, blob.Digest);
        keepChecksum.Run(blob.Repository, download.Checksum);
        spool.Stored(blob.Digest);
        return download.Written;
    }
}
