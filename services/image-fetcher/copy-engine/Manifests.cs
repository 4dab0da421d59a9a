using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Manifests of origins. Those who want the same one at the same time join one request; and one that has just come is good for the moment in which a
/// runtime asks for its tag, then for its digest, and a background copy for both.
/// </summary>
internal sealed class Manifests(Origins origins, TimeProvider time, CancellationToken stopping)
{
    /// <summary>How long what a tag named is still taken for what it names.</summary>
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ShortWhile = TimeSpan.FromMinutes(10);

    /// <summary>In bytes; larger ones are rare, and would make this memory one that counts.</summary>
    private const int LargestKept = 256 * 1024;

    private readonly Joined<ImageReference, Manifest> _running = new(stopping);
    private readonly Remembered<ImageReference, (Manifest Manifest, DateTimeOffset GoodUntil)> _recent = new(most: 64);
    private readonly Remembered<(string Repository, string Digest), DateTimeOffset> _namedByTag = new(most: 10_000);
    private readonly Remembered<(string Repository, string Child), string> _parents = new(most: 10_000);

    /// <summary>A manifest as the origin serves it (a moment ago, at most).</summary>
    /// <exception cref="CopyFailed">The origin did not give it.</exception>
    public Task<Manifest> FromOrigin(ImageReference image, CancellationToken stop)
    {
        if (_recent.TryGet(image, out var recent) && recent.GoodUntil > time.GetUtcNow())
            return Task.FromResult(recent.Manifest);
        return _running.Run(image, async stopping =>
        {
            var manifest = await origins.GetManifest(image, stopping);
            Remember(image, manifest);
            return manifest;
        }).WaitAsync(stop);
    }

    /// <summary>What a tag names now, without its bytes; null where the origin does not answer HEAD.</summary>
    /// <exception cref="CopyFailed">The origin did not say.</exception>
    public Task<ManifestHead?> HeadAtOrigin(ImageReference image, CancellationToken stop) => origins.HeadManifest(image, stop);

    /// <summary>Has a tag of the same repository named this digest a short while ago?</summary>
    public bool WasNamedByTag(ImageReference image) => _namedByTag.TryGet((image.Name, image.Target), out var until) && until > time.GetUtcNow();

    /// <summary>Is this digest an entry of an index of the same repository that was seen here?</summary>
    public bool IsKnownChild(ImageReference image) => _parents.TryGet((image.Name, image.Target), out _);

    /// <summary>Remembers which manifests an index lists.</summary>
    public void SawIndex(ImageReference image, Manifest index)
    {
        foreach (var entry in ReadManifest.Entries(index))
            _parents.Set((image.Name, entry.Digest), index.Digest);
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
