using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The stored manifests and blobs that the tags of one repository of the cache reach, and those that are left over.</summary>
/// <param name="cache">The cache registry.</param>
/// <param name="repository">A repository of the cache.</param>
/// <param name="tags">All of its tags, including the cache's internal ones.</param>
/// <param name="inUse">Digests that count as reached, if they are stored.</param>
internal sealed class ReachableManifests(CacheRegistry cache, string repository, IReadOnlyList<string> tags,
    IReadOnlyCollection<string> inUse)
{
    private readonly HashSet<string> _listed = [.. tags];
    private readonly HashSet<string> _reached = [];
    private readonly List<string> _tombstones = [];
    private IReadOnlyList<string> _looseReferrers = [];

    /// <summary>Digests of tombstones left over by interrupted evictions.</summary>
    public IReadOnlyList<string> Tombstones => _tombstones;

    /// <summary>Tags of referrers whose subject no tag reaches.</summary>
    public IReadOnlyList<string> LooseReferrers => _looseReferrers;

    /// <summary>The number of digests in use that no tag reaches.</summary>
    public int Kept { get; private set; }

    /// <summary>Internal tags of manifests and checksums that no tag reaches.</summary>
    public IReadOnlyList<string> LooseHolds =>
        [.. tags.Where(tag => (CacheTags.IsHold(tag) || CacheTags.IsChecksum(tag)) && !_reached.Contains(tag))];

    /// <summary>
    /// Reads the manifests. 1. Find the digests that the tags reach. 2. Digests in use are reached. 3. Referrers of a reached manifest are
    /// reached too, and may have referrers themselves.
    /// </summary>
    /// <returns>A description of the first manifest that could not be read, so that its children are unknown; null when
    /// everything was read.</returns>
    /// <exception cref="CopyException">The cache registry did not answer.</exception>
    public async Task<string?> Read(CancellationToken ct)
    {
        // 1.
        foreach (var tag in tags.Where(tag => !CacheTags.IsHold(tag) && !CacheTags.IsChecksum(tag) && CacheTags.SubjectOf(tag) is null))
            if (await ReachTag(tag, ct) is { } doubt)
                return doubt;

        // 2.
        foreach (var digest in inUse.Where(digest => _listed.Contains(CacheTags.OfManifest(digest))
            && !_reached.Contains(CacheTags.OfManifest(digest))))
        {
            if (await cache.Find(repository, digest, ct) is not { } kept)
                return $"the manifest {digest}, which a pod runs, is listed as stored and cannot be read";
            Kept++;
            if (await Reach(kept, ct) is { } doubt)
                return doubt;
        }

        // 3.
        var left = tags.Where(tag => CacheTags.SubjectOf(tag) is not null).ToList();
        while (left.Where(tag => _reached.Contains(CacheTags.OfManifest(CacheTags.SubjectOf(tag)!))).ToList() is { Count: > 0 } referrers)
        {
            foreach (var tag in referrers)
                if (await ReachTag(tag, ct) is { } doubt)
                    return doubt;
            left = [.. left.Except(referrers)];
        }
        _looseReferrers = left;
        return null;
    }

    private async Task<string?> ReachTag(string tag, CancellationToken ct)
    {
        if (await cache.GetManifest(repository, tag, ct) is not { } stored)
            return $"the tag {tag} is listed, and nothing is there";
        if (CacheRegistry.IsTombstone(stored))
        {
            _tombstones.Add(stored.Digest);
            return null;
        }
        if (IndexWrapper.Parse(stored.Bytes) is not { } wrapper)
            return await Reach(stored, ct);
        if (_reached.Contains(CacheTags.OfManifest(wrapper.Digest)))
            return null;
        return await cache.Find(repository, tag, ct) is { } index ? await Reach(index, ct)
            : $"the index {wrapper.Digest} of the tag {tag} cannot be read";
    }

    /// <summary>Adds the internal tag of a manifest, and of everything stored below it, down to the checksums of blobs.</summary>
    private async Task<string?> Reach(Manifest manifest, CancellationToken ct)
    {
        if (!_reached.Add(CacheTags.OfManifest(manifest.Digest)))
            return null;
        if (!MediaTypes.IsIndex(manifest.MediaType))
        {
            _reached.UnionWith(ReadManifest.Parts(manifest).Select(part => CacheTags.OfChecksum(part.Digest)));
            return null;
        }
        foreach (var hold in ReadManifest.Entries(manifest).Select(entry => (entry.Digest, Tag: CacheTags.OfManifest(entry.Digest))))
        {
            if (!_listed.Contains(hold.Tag) || _reached.Contains(hold.Tag))
                continue;   // of a platform that is not stored; or known
            if (await cache.Find(repository, hold.Digest, ct) is not { } child)
                return $"the manifest {hold.Digest} of the index {manifest.Digest} is listed as stored and cannot be read";
            if (await Reach(child, ct) is { } doubt)
                return doubt;
        }
        return null;
    }
}
