using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The limits on the manifests of one image, and the amounts counted against them. Without limits, an index of 24 kB whose entries
/// are padded manifests fills the memory of one replica after the other. They apply to copies only: a pull of such an image is
/// passed through, uncached.
/// </summary>
/// <param name="image">The image to be copied, for messages.</param>
/// <param name="memory">The memory of all copies; this image's share is released by <see cref="Dispose"/>.</param>
internal sealed class ManifestBudget(ImageReference image, PlanMemory memory) : IDisposable
{
    /// <summary>Levels of nested indexes, the root included.</summary>
    public const int MaxDepth = 4;

    /// <summary>Entries of one index. The largest known of an image has about 40.</summary>
    public const int MaxEntries = 1_000;

    /// <summary>Manifests and indexes of one image that have to be read: the root, and its entries for the wanted platforms.</summary>
    public const int MaxManifests = 300;

    /// <summary>Total size of them, in bytes.</summary>
    public const long MaxBytes = 32L << 20;

    /// <summary>Config and layers of one manifest. Container runtimes mount at most 127 layers; artifacts may have more.</summary>
    public const int MaxPartsOfManifest = 1_000;

    /// <summary>Configs and layers of one image.</summary>
    public const int MaxParts = 10_000;

    private int _manifests = 1;   // the root
    private long _bytes;
    private long _taken;
    private int _parts;

    /// <summary>Checks the entries of an index.</summary>
    /// <param name="index">The index.</param>
    /// <param name="entries">The number of its entries.</param>
    /// <param name="depth">0 for the root.</param>
    /// <exception cref="CopyException">The index is over a limit.</exception>
    public void CheckIndex(Manifest index, int entries, int depth)
    {
        if (depth >= MaxDepth)
            throw Exceeded($"its indexes are nested more than {MaxDepth} levels deep");
        if (entries > MaxEntries)
            throw Exceeded($"index {index.Digest} has {entries} entries, more than {MaxEntries}");
    }

    /// <summary>Counts the entries of an index that will be read, before the first one is.</summary>
    /// <param name="entries">The entries of the wanted platforms.</param>
    /// <exception cref="CopyException">The image is over a limit with them, by the sizes that the index states.</exception>
    public void Announce(IReadOnlyCollection<IndexEntry> entries)
    {
        _manifests += entries.Count;
        if (_manifests > MaxManifests)
            throw Exceeded(
                $"it consists of {_manifests} manifests or more for the platforms of Kuik:Platforms, at most {MaxManifests} are copied");
        ThrowIfTooLarge(entries.Aggregate(_bytes, (sum, entry) => sum + Math.Min(entry.SizeInBytes, MaxBytes)));
    }

    /// <summary>Counts a manifest or index that has been read.</summary>
    /// <exception cref="CopyException">The image is over the limit with it; or the running copies use all memory for manifests,
    /// and then a retry helps.</exception>
    public void Add(Manifest manifest)
    {
        ThrowIfTooLarge(_bytes += manifest.Bytes.Length);
        var needed = Math.Max(0, _bytes - PlanMemory.FreeBytes) - _taken;
        if (needed <= 0)
            return;
        if (!memory.TryTake(needed))
            throw new CopyException(
                CopyException.Internal,
                $"{image} has {_bytes} bytes of manifests or more, and the other copies under way leave no room for them in "
                + $"image-fetcher's memory ({PlanMemory.MaxBytes} bytes): it is retried later",
                retryHelps: true);
        _taken += needed;
    }

    /// <summary>Counts the parts of a manifest.</summary>
    /// <exception cref="CopyException">The manifest, or the image with it, is over a limit.</exception>
    public void AddParts(Manifest manifest, int parts)
    {
        if (parts > MaxPartsOfManifest)
            throw Exceeded($"manifest {manifest.Digest} has {parts} layers and configurations, more than {MaxPartsOfManifest}");
        if ((_parts += parts) > MaxParts)
            throw Exceeded($"its manifests have {_parts} layers and configurations or more, at most {MaxParts} are copied");
    }

    public void Dispose()
    {
        memory.Release(_taken);
        _taken = 0;
    }

    private void ThrowIfTooLarge(long bytes)
    {
        if (bytes > MaxBytes)
            throw Exceeded($"its manifests have {bytes} bytes or more in total, at most {MaxBytes} are copied");
    }

    private CopyException Exceeded(string found) => new(
        CopyException.Broken,
        $"{image} is not copied into the cache: {found}. "
        + "Pulls of it are passed through; to stop rewriting it, list it in Kuik:Webhook:IgnoredImages",
        retryHelps: false);
}
