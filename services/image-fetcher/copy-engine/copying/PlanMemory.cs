namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The manifest bytes of all copies of this replica, beyond the first <see cref="FreeBytes"/> of each image. The number of copies that
/// pulls begin is not limited, so the limit for one image does not bound their sum.
/// </summary>
internal sealed class PlanMemory
{
    /// <summary>Bytes of each image that are not counted. The manifests of an ordinary image have some 10 kB.</summary>
    public const long FreeBytes = 1L << 20;

    /// <summary>Bytes for all larger images together: four of the largest that <see cref="ManifestBudget"/> accepts.</summary>
    public const long MaxBytes = 4 * ManifestBudget.MaxBytes;

    private long _taken;

    /// <summary>Takes memory; false when there is not enough left.</summary>
    public bool TryTake(long bytes)
    {
        if (Interlocked.Add(ref _taken, bytes) <= MaxBytes)
            return true;
        Release(bytes);
        return false;
    }

    public void Release(long bytes) => Interlocked.Add(ref _taken, -bytes);
}
