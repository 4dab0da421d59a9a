using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Copies an image from its origin into the cache registry, byte for byte. An index is kept whole, with the children of the wanted
/// platforms. Parts that the cache has are found before the origin is asked. A repeated copy costs a few HEAD requests.
/// </summary>
public sealed class ImageCopier : IDisposable
{
    /// <summary>How often parts may disappear between copy and check before this counts as a failure of the cache.</summary>
    private const int MostRounds = 3;

    private const int MostChecks = 8;

    private readonly SingleFlight<(ImageReference Image, bool IsHeldOnly), CopiedImage> _running;
    private readonly CacheRegistry _cache;
    private readonly BlobCopier _blobCopier;
    private readonly ImagePlanReader _imagePlanReader;
    private readonly ReferrerCopier _referrerCopier;
    private readonly CacheWriters _writers;
    private readonly CopyEngineOptions _options;
    private readonly TimeProvider _time;
    private readonly PerHostLimiter _copies;
    // Apart from copies, which may take hours: checks run under the repository's lock.
    private readonly SemaphoreSlim _checks = new(MostChecks);

    internal ImageCopier(CacheRegistry cache, BlobCopier blobCopier, ImagePlanReader imagePlanReader, ReferrerCopier referrerCopier,
        CacheWriters writers,
        CopyEngineOptions options, TimeProvider time, CancellationToken stopping)
    {
        _running = new(stopping);
        (_cache, _blobCopier, _imagePlanReader, _referrerCopier, _writers, _options, _time) =
            (cache, blobCopier, imagePlanReader, referrerCopier, writers, options, time);
        _copies = new PerHostLimiter(options.MaxConcurrentBlobs);
    }

    /// <summary>Copies an image, or joins its running copy. A caller that cancels does not stop the copy.</summary>
    /// <param name="image">By tag or by digest.</param>
    /// <param name="ct">Cancels the wait.</param>
    /// <exception cref="CopyException">The cache cannot serve it.</exception>
    public Task<CopiedImage> Copy(ImageReference image, CancellationToken ct) => Copy(image, _ => Task.FromResult(true), ct);

    /// <inheritdoc cref="Copy(ImageReference, CancellationToken)"/>
    /// <param name="image">By tag or by digest.</param>
    /// <param name="isWanted">Called under the repository's lock, right before the tag is written; if false, nothing is written.</param>
    /// <param name="ct">Cancels the wait.</param>
    /// <exception cref="CopyException">The cache cannot serve it; of the kind <see cref="CopyException.Unwanted"/> when it is
    /// no longer wanted.</exception>
    public Task<CopiedImage> Copy(ImageReference image, Func<CancellationToken, Task<bool>> isWanted, CancellationToken ct) =>
        _running.RunOnce((image, false), stopping => Copy(image, isHeldOnly: false, isWanted, stopping)).WaitAsync(ct);

    /// <summary>Copies a child of a cached index: it is kept for as long as that index, and has no tag of its own.</summary>
    internal Task<CopiedImage> RunForChild(ImageReference child, CancellationToken ct) =>
        _running.RunOnce((child, true), stopping => Copy(child, isHeldOnly: true, _ => Task.FromResult(true), stopping)).WaitAsync(ct);

    public void Dispose() => _checks.Dispose();

    private async Task<CopiedImage> Copy(ImageReference image, bool isHeldOnly, Func<CancellationToken, Task<bool>> isWanted,
        CancellationToken ct)
    {
        if (image.Tag is { } tag && CacheTags.IsOurs(tag))
            throw new CopyException(CopyException.Cache,
                $"the tag {tag} is one of those that the cache keeps for itself, and cannot be cached: use another tag or the digest",
                retryHelps: false);
        var started = _time.GetTimestamp();
        using var plan = await _imagePlanReader.Read(image, ct);
        var copied = await Store(image, plan, isHeldOnly ? null : CacheTags.OfImage(image), isWanted, ct);
        var result = Result(plan, copied, _time.GetElapsedTime(started));
        if (_options.Referrers)
            await _referrerCopier.Copy(image, plan, (referrer, its, tag, ct) => Store(referrer, its, tag, isWanted, ct), ct);
        return result;
    }

    /// <summary>
    /// 1. Under the repository's lock: if every part is there, write the manifests and finally the tag. 2. Otherwise copy the missing
    /// parts without the lock, and check again; the same if a lock is lost before the tag is written. No garbage collection of the
    /// registry runs meanwhile.
    /// </summary>
    private async Task<long> Store(ImageReference image, ImagePlan plan, string? tag, Func<CancellationToken, Task<bool>> isWanted,
        CancellationToken ct)
    {
        var repository = CachePath.Of(image);
        await using var writer = _writers.For(repository);
        var copied = 0L;
        for (var round = 0; ; round++)
        {
            // 1.
            IReadOnlyList<Part> missing = [];
            try
            {
                await using (await writer.Lock(ct))
                {
                    missing = await Missing(image, plan, ct);
                    if (missing.Count == 0)
                    {
                        if (!await isWanted(ct))
                            throw new CopyException(CopyException.Unwanted, $"{image} has expired since it was requested",
                                retryHelps: false);
                        await PutManifests(repository, plan, tag, writer, ct);
                        return copied;
                    }
                }
            }
            catch (LockLostException e)
            {
                if (round == MostRounds)
                    throw new CopyException(CopyException.Cache, $"{repository} could not be written: {e.Message}", retryHelps: true,
                        inner: e);
                await writer.Renew();
                continue;
            }
            if (round == MostRounds)
                throw new CopyException(CopyException.Cache,
                    $"the cache registry loses blobs of {repository} while they are copied: {missing[0].Digest} is gone again",
                    retryHelps: true);

            // 2.
            copied += (await Task.WhenAll(missing.Select(part => CopyPart(image, part, ct)))).Sum();
        }
    }

    private async Task<IReadOnlyList<Part>> Missing(ImageReference image, ImagePlan plan, CancellationToken ct)
    {
        var isThere = await Task.WhenAll(plan.Parts.Select(part => Check(Wanted(image, part), ct)));
        return [.. plan.Parts.Where((_, i) => !isThere[i])];
    }

    private async Task<bool> Check(WantedBlob blob, CancellationToken ct)
    {
        await _checks.WaitAsync(ct);
        try
        {
            return await _blobCopier.IsThere(blob, ct);
        }
        finally
        {
            _checks.Release();
        }
    }

    private async Task<long> CopyPart(ImageReference image, Part part, CancellationToken ct)
    {
        using var turn = await _copies.Enter(image.Host, ct);
        return await _blobCopier.Copy(Wanted(image, part), ct);
    }

    private static WantedBlob Wanted(ImageReference image, Part part) => new(image, part.Digest, part.SizeInBytes);

    /// <summary>
    /// Stores every manifest under its tag, from the leaves up, and the root last: a tag always refers to a complete image.
    /// </summary>
    private async Task PutManifests(string repository, ImagePlan plan, string? tag, CacheWriter writer, CancellationToken ct)
    {
        await _cache.EnsureEmptyBlob(repository, ct);
        foreach (var manifest in plan.Manifests)
            await PutManifest(repository, CacheTags.OfManifest(manifest.Digest), manifest, writer, ct);
        if (tag is not null)
            await PutManifest(repository, tag, plan.Root, writer, ct);
    }

    private async Task PutManifest(string repository, string tag, Manifest manifest, CacheWriter writer, CancellationToken ct)
    {
        // 1. In which form: an index that the registry would refuse goes into a wrapper.
        var wrapper = MediaTypes.IsIndex(manifest.MediaType) && !_options.AcceptsSparseIndexes
            ? new IndexWrapper(manifest.Digest, manifest.MediaType, manifest.Bytes.Length)
            : null;
        var (bytes, type) = wrapper is null ? (manifest.Bytes, manifest.MediaType) : (wrapper.ToManifest(), MediaTypes.OciManifest);

        // 2. Unless it is there. An interrupted eviction may have left its tombstone, which no garbage collection removes once nothing
        // refers to it.
        var before = (await _cache.HeadManifest(repository, tag, ct))?.Digest;
        if (before == Digest.Sha256(bytes))
            return;
        await writer.EnsureMayWrite(ct);
        if (before == Digest.Sha256(new Tombstone(repository, tag).ToManifest()))
            await _cache.DeleteManifest(repository, before, ct);
        if (wrapper is not null && !await _cache.HasBlob(repository, manifest.Digest, ct))
            await _cache.UploadSmall(repository, manifest.Digest, manifest.Bytes, ct);
        await writer.EnsureMayWrite(ct);
        try
        {
            await _cache.PutManifest(repository, tag, bytes, type, ct);
        }
        catch (CopyException e)
            when (e.Status is not null && wrapper is null && !MediaTypes.IsIndex(manifest.MediaType)
                && ReadManifest.Parts(manifest).Any(part => part.IsForeign))
        {
            // Distribution 2.8 answers 500 UNKNOWN without a cause.
            throw new CopyException(CopyException.Cache,
                $"{e.Message}. The image has layers that are kept elsewhere: the cache registry has to allow their addresses "
                    + "(distribution: validation.manifests.urls.allow)", retryHelps: false, inner: e);
        }
    }

    /// <summary>The copy of an image whose plan was carried out.</summary>
    internal static CopiedImage Result(ImagePlan plan, long copied, TimeSpan duration)
    {
        var blobs = plan.Parts.Sum(part => part.SizeInBytes);
        return new CopiedImage(plan.Root.Digest, plan.Root.MediaType, plan.Platforms, plan.MissingPlatforms,
            blobs + plan.Manifests.Sum(manifest => (long)manifest.Bytes.Length), copied, Math.Max(0, blobs - copied), duration);
    }
}
