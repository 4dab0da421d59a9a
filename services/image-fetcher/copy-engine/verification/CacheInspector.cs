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
        var repository = CachePath.Of(image);
        if (await _cache.HeadManifest(repository, CacheTags.OfImage(image), stop) is null)
            return $"the cache registry has no {CacheTags.OfImage(image)} in {repository} any more";
        if (await _cache.Find(repository, image.Target, stop) is not { } root)
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
