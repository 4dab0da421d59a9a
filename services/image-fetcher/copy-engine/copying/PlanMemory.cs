namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The bytes of manifests that all copies of this replica hold, beyond the first <see cref="FreeBytes"/> of each image. Copies that pulls
/// begin are not limited in
/// number, so that the limit of one image does not bound them together.
/// </summary>
internal sealed class PlanMemory
{
    /// <summary>Bytes of each image that do not count. The manifests of an ordinary image have some 10 kB.</summary>
    public const long FreeBytes = 1L << 20;

    /// <summary>Bytes for all images with more than that: four of the largest that <see cref="ManifestBudget"/> accepts.</summary>
    public const long MaxBytes = 4 * ManifestBudget.MaxBytes;

    private long _taken;

    /// <summary>False when there is no room for so many more.</summary>
    public bool TryTake(long bytes)
    {
        if (Interlocked.Add(ref _taken, bytes) <= MaxBytes)
            return true;
        Release(bytes);
        return false;
    }

    public void Release(long bytes) => Interlocked.Add(ref _taken, -bytes);
}
