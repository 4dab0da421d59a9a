using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Manifests of origins. Those who want the same one at the same time join one request, on all replicas: the owner of the repository asks. What has come is
/// kept for the time in which runtimes and a background copy ask for a tag, then for its digest: what a digest names never changes, and whether a tag still
/// names it costs a HEAD.
/// </summary>
internal sealed class ManifestFetcher(OriginClient originClient, RendezvousRing owners, OwnerClient ask, TimeProvider time, CancellationToken stopping, WorkInstrumentation? sight = null)
{
    /// <summary>How long what a tag named is taken for what it names without asking.</summary>
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ShortWhile = TimeSpan.FromMinutes(10);

    /// <summary>In bytes; larger ones are rare, and would make this memory one that counts.</summary>
    private const int LargestKept = 256 * 1024;

    private readonly SingleFlight<ImageReference, Manifest> _asking = new(stopping, sight);
    private readonly SingleFlight<ImageReference, Manifest> _owned = new(stopping, sight);
    private readonly BoundedCache<ImageReference, (Manifest Manifest, DateTimeOffset GoodUntil)> _recent = new(most: 64);
    private readonly BoundedCache<(string Repository, string Digest), DateTimeOffset> _namedByTag = new(most: 10_000);
    private readonly BoundedCache<(string Repository, string Child), string> _parents = new(most: 10_000);

    /// <summary>A manifest as the origin serves it (a moment ago, at most); the owner of the repository asks for it.</summary>
    /// <exception cref="CopyException">The origin did not give it.</exception>
    public Task<Manifest> FromOrigin(ImageReference image, CancellationToken ct) => Recent(image) is { } recent
        ? Task.FromResult(recent)
        : _asking.RunOnce(image, async stopping => await FromOwner(image, stopping) ?? await AsOwner(image)).WaitAsync(ct);

    /// <summary>
    /// The owner's part: from memory or from the origin, and never from another replica. Work that waits for another replica is apart from
    /// it, so that two replicas which take each other for the owner do not wait for each other.
    /// </summary>
    /// <exception cref="CopyException">The origin did not give it.</exception>
    public Task<Manifest> AsOwner(ImageReference image) => Recent(image) is { } recent
        ? Task.FromResult(recent)
        : _owned.RunOnce(image, async stopping =>
        {
            // The work that has just ended may have got it.
            var manifest = Recent(image) ?? await Unchanged(image, stopping) ?? await originClient.GetManifest(image, stopping);
            Remember(image, manifest);
            return manifest;
        });

    /// <summary>Is this replica asking the origin for it at this moment?</summary>
    public bool IsUnderWay(ImageReference image) => Recent(image) is not null || _owned.Find(image) is not null;

    /// <summary>What a tag names now, without its bytes; null where the origin does not answer HEAD.</summary>
    /// <exception cref="CopyException">The origin did not say.</exception>
    public Task<ManifestHead?> HeadAtOrigin(ImageReference image, CancellationToken stop) => originClient.HeadManifest(image, stop);

    /// <summary>The tag is known to name something else now: what it named a moment ago does not count any more.</summary>
    public void Forget(ImageReference image) => _recent.Forget(image);

    /// <summary>Has a tag of the same repository named this digest a short while ago?</summary>
    public bool WasNamedByTag(ImageReference image) => _namedByTag.TryGet((image.Name, image.Target), out var until) && until > time.GetUtcNow();

    /// <summary>Is this digest an entry of an index of the same repository that was seen here?</summary>
    public bool IsKnownChild(ImageReference image) => _parents.TryGet((image.Name, image.Target), out _);

    /// <summary>Remembers which manifests an index lists.</summary>
    public void SawIndex(ImageReference image, Manifest index)
    {
        foreach (var entry in ReadManifest.Entries(index).Take(ManifestBudget.MaxEntries))
            _parents.Set((image.Name, entry.Digest), index.Digest);
    }

    /// <summary>What has come a moment ago; a digest at any time.</summary>
    public Manifest? Recent(ImageReference image) =>
        _recent.TryGet(image, out var recent) && (image.Digest is not null || recent.GoodUntil > time.GetUtcNow()) ? recent.Manifest : null;

    /// <summary>What a tag named before, when it still does.</summary>
    private async Task<Manifest?> Unchanged(ImageReference image, CancellationToken stop) =>
        _recent.TryGet(image, out var before) && (await originClient.HeadManifest(image, stop))?.Digest == before.Manifest.Digest ? before.Manifest : null;

    /// <summary>Null when this replica is to ask the origin.</summary>
    private async Task<Manifest?> FromOwner(ImageReference image, CancellationToken stop)
    {
        await foreach (var owner in owners.InOrder(image.Name, stop))
        {
            if (owner is null)
                break;
            try
            {
                var manifest = await ask.ForManifest(owner, image, stop);
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
                if ((await originClient.Credentials(image, stop)).Count == 0)
                    throw;
                break;   // the owner may not know the pod yet whose credentials this replica has
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
