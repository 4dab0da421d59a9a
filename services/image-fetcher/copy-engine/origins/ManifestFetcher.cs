using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Fetches manifests of origins. Concurrent requests for the same manifest share one request to the origin, across all replicas: the owner
/// of the repository sends it. The result is kept by tag for the time in which runtimes and a background copy ask for it, then by digest: a
/// digest never changes its meaning, and a HEAD request tells whether a tag still refers to it.
/// </summary>
internal sealed class ManifestFetcher(OriginClient originClient, RendezvousRing owners, OwnerClient ask, TimeProvider time,
    CancellationToken stopping, WorkInstrumentation? sight = null)
{
    /// <summary>How long the digest of a tag is used without asking again.</summary>
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ShortWhile = TimeSpan.FromMinutes(10);

    /// <summary>The largest manifest that is kept, in bytes; larger ones are rare, and would make the cache's size matter.</summary>
    private const int LargestKept = 256 * 1024;

    private readonly SingleFlight<ImageReference, Manifest> _asking = new(stopping, sight);
    private readonly SingleFlight<ImageReference, Manifest> _owned = new(stopping, sight);
    private readonly BoundedCache<ImageReference, (Manifest Manifest, DateTimeOffset GoodUntil)> _recent = new(most: 64);
    private readonly BoundedCache<(string Repository, string Digest), DateTimeOffset> _namedByTag = new(most: 10_000);
    private readonly BoundedCache<(string Repository, string Child), string> _parents = new(most: 10_000);

    /// <summary>A manifest as the origin serves it, at most a moment old; requested by the owner of the repository.</summary>
    /// <exception cref="CopyException">The origin did not serve it.</exception>
    public Task<Manifest> FromOrigin(ImageReference image, CancellationToken ct) => Recent(image) is { } recent
        ? Task.FromResult(recent)
        : _asking.RunOnce(image, async stopping => await FromOwner(image, stopping) ?? await AsOwner(image)).WaitAsync(ct);

    /// <summary>
    /// The owner's work: from memory or from the origin, and never from another replica. It is separate from work that waits for another
    /// replica, so that two replicas that take each other for the owner do not wait for each other.
    /// </summary>
    /// <exception cref="CopyException">The origin did not serve it.</exception>
    public Task<Manifest> AsOwner(ImageReference image) => Recent(image) is { } recent
        ? Task.FromResult(recent)
        : _owned.RunOnce(image, async stopping =>
        {
            // The work that has just ended may have stored it.
            var manifest = Recent(image) ?? await Unchanged(image, stopping) ?? await originClient.GetManifest(image, stopping);
            Remember(image, manifest);
            return manifest;
        });

    /// <summary>True while this replica asks the origin for it, or when it is in memory.</summary>
    public bool IsUnderWay(ImageReference image) => Recent(image) is not null || _owned.Find(image) is not null;

    /// <summary>The digest of a tag now; null when the origin does not answer HEAD.</summary>
    /// <exception cref="CopyException">The origin did not answer.</exception>
    public Task<ManifestHead?> HeadAtOrigin(ImageReference image, CancellationToken ct) => originClient.HeadManifest(image, ct);

    /// <summary>Removes the entry of a tag that is known to have changed.</summary>
    public void Forget(ImageReference image) => _recent.Forget(image);

    /// <summary>True when a tag of the same repository referred to this digest a short while ago.</summary>
    public bool WasNamedByTag(ImageReference image) =>
        _namedByTag.TryGet((image.Name, image.Target), out var until) && until > time.GetUtcNow();

    /// <summary>True when this digest is an entry of a known index of the same repository.</summary>
    public bool IsKnownChild(ImageReference image) => _parents.TryGet((image.Name, image.Target), out _);

    /// <summary>Records the children of an index.</summary>
    public void SawIndex(ImageReference image, Manifest index)
    {
        foreach (var entry in ReadManifest.Entries(index).Take(ManifestBudget.MaxEntries))
            _parents.Set((image.Name, entry.Digest), index.Digest);
    }

    /// <summary>The manifest from memory: of a tag for a moment, of a digest at any time.</summary>
    public Manifest? Recent(ImageReference image) =>
        _recent.TryGet(image, out var recent) && (image.Digest is not null || recent.GoodUntil > time.GetUtcNow()) ? recent.Manifest : null;

    /// <summary>The tag's last known manifest, if a HEAD request confirms it.</summary>
    private async Task<Manifest?> Unchanged(ImageReference image, CancellationToken ct) =>
        _recent.TryGet(image, out var before) && (await originClient.HeadManifest(image, ct))?.Digest == before.Manifest.Digest
            ? before.Manifest
            : null;

    /// <summary>Asks the owner; null when this replica has to ask the origin.</summary>
    private async Task<Manifest?> FromOwner(ImageReference image, CancellationToken ct)
    {
        await foreach (var owner in owners.InOrder(image.Name, ct))
        {
            if (owner is null)
                break;
            try
            {
                var manifest = await ask.ForManifest(owner, image, ct);
                if (manifest is not null)
                    Remember(image, manifest);
                return manifest;
            }
            catch (ReplicaUnreachableException e)
            {
                owners.Failed(owner, e);
            }
            catch (CopyException e) when (e.Kind is CopyException.Refused or CopyException.Gone)
            {
                if ((await originClient.Credentials(image, ct)).Count == 0)
                    throw;
                break;   // the owner may not yet know the pod whose credentials this replica has
            }
        }
        return null;
    }

    private void Remember(ImageReference image, Manifest manifest)
    {
        var until = time.GetUtcNow() + Moment;
        if (manifest.Bytes.Length <= LargestKept)
        {
            _recent.Set(image, (manifest, until));
            _recent.Set(image.With(manifest.Digest), (manifest, until));
        }
        if (image.Tag is not null)
            _namedByTag.Set((image.Name, manifest.Digest), time.GetUtcNow() + ShortWhile);
        if (MediaTypes.IsIndex(manifest.MediaType))
            SawIndex(image, manifest);
    }
}
