using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Looks whether the cache registry has all of an image: its tag, the manifests of the wanted platforms, their blobs. It asks for names
/// only, reads no blob, changes nothing and never asks the origin.
/// </summary>
public sealed class CacheInspector
{
    /// <summary>Blobs asked for at a time: copies and pulls use the same registry.</summary>
    private const int MostChecks = 4;

    private readonly CacheRegistry _cache;
    private readonly ImagePlanReader _imagePlanReader;

    internal CacheInspector(CacheRegistry cache, ImagePlanReader imagePlanReader) => (_cache, _imagePlanReader) = (cache, imagePlanReader);

    /// <summary>Looks at one image. A platform that has been configured since its copy counts as missing, so that it is copied.</summary>
    /// <param name="image">By tag or by digest.</param>
    /// <param name="ct">Ends it.</param>
    /// <returns>A sentence that names the missing part; null when all is there.</returns>
    /// <exception cref="CopyException">The cache registry does not answer, or gives a manifest that cannot be read.</exception>
    public async Task<string?> FindLoss(ImageReference image, CancellationToken ct)
    {
        var (repository, tag) = (CachePath.Of(image), CacheTags.OfImage(image));
        var root = await _cache.Find(repository, image.Target, ct);
        var isTagSeen = root is not null && tag == image.Target;   // what was found by a digest may have lost the tag that keeps it
        if (!isTagSeen && await _cache.HeadManifest(repository, tag, ct) is null)
            return $"the cache registry has no {tag} in {repository} any more";
        if (root is null)
            return $"the cache registry has lost the manifest of {image}";
        try
        {
            using var plan = await _imagePlanReader.ReadFromCache(image, root, ct);
            return await FindLostBlob(repository, plan, ct);
        }
        catch (ManifestLostException e)
        {
            return $"the cache registry has lost the manifest {e.Digest} of {image}";
        }
    }

    /// <summary>A page of the repositories in the cache registry; empty after the last one.</summary>
    /// <param name="last">The last of the page before; empty for the first page.</param>
    /// <param name="count">How many.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="CopyException">The cache registry does not answer, or has no list of repositories.</exception>
    public Task<IReadOnlyList<string>> RepositoriesAfter(string last, int count, CancellationToken ct) =>
        _cache.RepositoriesAfter(last, count, ct);

    /// <summary>The images that tags of a repository keep; none for a path that is not of Kuik's layout.</summary>
    /// <param name="repository">A path of <see cref="CachePath"/>.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="CopyException">The cache registry does not answer.</exception>
    public async Task<IReadOnlyList<ImageReference>> ImagesIn(string repository, CancellationToken ct)
    {
        var images = new List<ImageReference>();
        foreach (var tag in await _cache.Tags(repository, ct))
            if (CacheTags.TargetOf(tag) is { } target && CachePath.TryRead(repository, target, out var image, out _)
                && CachePath.Of(image) == repository)
                images.Add(image);
        return images;
    }

    /// <summary>The copy of an image in the cache registry; null when it lacks a part.</summary>
    /// <param name="image">By tag or by digest.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="CopyException">The cache registry does not answer, or gives a manifest that cannot be read.</exception>
    public async Task<CopiedImage?> Describe(ImageReference image, CancellationToken ct)
    {
        if (await FindLoss(image, ct) is not null || await _cache.Find(CachePath.Of(image), image.Target, ct) is not { } root)
            return null;
        try
        {
            using var plan = await _imagePlanReader.ReadFromCache(image, root, ct);
            return ImageCopier.Result(plan, copied: 0, TimeSpan.Zero);
        }
        catch (ManifestLostException)
        {
            return null;
        }
    }

    private async Task<string?> FindLostBlob(string repository, ImagePlan plan, CancellationToken ct)
    {
        string? lost = null;
        var options = new ParallelOptions { MaxDegreeOfParallelism = MostChecks, CancellationToken = ct };
        await Parallel.ForEachAsync(plan.Parts, options, async (part, ct) =>
        {
            if (lost is null && !await _cache.HasBlob(repository, part.Digest, ct))
                lost = $"the cache registry has lost the blob {part.Digest} of {repository}";
        });
        return lost;
    }
}
