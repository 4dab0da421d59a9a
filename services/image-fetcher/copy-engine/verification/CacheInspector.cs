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
    /// <param name="stop">Ends it.</param>
    /// <returns>A sentence that names the missing part; null when all is there.</returns>
    /// <exception cref="CopyException">The cache registry does not answer, or gives a manifest that cannot be read.</exception>
    public async Task<string?> FindLoss(ImageReference image, CancellationToken stop)
    {
        var (repository, tag) = (CachePath.Of(image), CacheTags.OfImage(image));
        var root = await _cache.Find(repository, image.Target, stop);
        var isTagSeen = root is not null && tag == image.Target;   // what was found by a digest may have lost the tag that keeps it
        if (!isTagSeen && await _cache.HeadManifest(repository, tag, stop) is null)
            return $"the cache registry has no {tag} in {repository} any more";
        if (root is null)
            return $"the cache registry has lost the manifest of {image}";
        try
        {
            using var plan = await _imagePlanReader.ReadFromCache(image, root, stop);
            return await FindLostBlob(repository, plan, stop);
        }
        catch (ManifestLostException e)
        {
            return $"the cache registry has lost the manifest {e.Digest} of {image}";
        }
    }

    private async Task<string?> FindLostBlob(string repository, ImagePlan plan, CancellationToken stop)
    {
        string? lost = null;
        var options = new ParallelOptions { MaxDegreeOfParallelism = MostChecks, CancellationToken = stop };
        await Parallel.ForEachAsync(plan.Parts, options, async (part, ct) =>
        {
            if (lost is null && !await _cache.HasBlob(repository, part.Digest, ct))
                lost = $"the cache registry has lost the blob {part.Digest} of {repository}";
        });
        return lost;
    }
}
