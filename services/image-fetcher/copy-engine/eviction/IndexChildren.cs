using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The children of the indexes in the cache. A digest never changes its meaning, so each tag of a manifest is read once; one request for
/// the list of tags shows which are new and which are gone.
/// </summary>
internal sealed class IndexChildren(CacheRegistry cache, CancellationToken stopping)
{
    private static readonly IReadOnlySet<string> None = new HashSet<string>();

    private readonly SingleFlight<string, Dictionary<string, IReadOnlySet<string>>> _reading = new(stopping);
    private readonly BoundedCache<string, Dictionary<string, IReadOnlySet<string>>> _byRepository = new(most: 32);

    /// <summary>True when an index in this repository of the cache lists the digest.</summary>
    /// <exception cref="CopyException">The cache registry did not answer.</exception>
    public async Task<bool> Contains(string repository, string digest, CancellationToken ct)
    {
        var known = await _reading.RunOnce(repository, stopping => Read(repository, stopping)).WaitAsync(ct);
        return known.Values.Any(children => children.Contains(digest));
    }

    private async Task<Dictionary<string, IReadOnlySet<string>>> Read(string repository, CancellationToken ct)
    {
        var known = _byRepository.TryGet(repository, out var before) ? before : [];
        var now = new Dictionary<string, IReadOnlySet<string>>();
        foreach (var digest in (await cache.Tags(repository, ct)).Where(CacheTags.IsHold).Select(CacheTags.DigestOf).OfType<string>())
            if (known.TryGetValue(digest, out var children) || (children = await Children(repository, digest, ct)) is not null)
                now[digest] = children;
        _byRepository.Set(repository, now);
        return now;
    }

    /// <summary>Empty for a manifest that is not an index; null for one that cannot be read now and is read again later.</summary>
    private async Task<IReadOnlySet<string>?> Children(string repository, string digest, CancellationToken ct) =>
        await cache.Find(repository, digest, ct) is not { } stored ? null
        : MediaTypes.IsIndex(stored.MediaType) ? ReadManifest.Entries(stored).Select(entry => entry.Digest).ToHashSet() : None;
}
