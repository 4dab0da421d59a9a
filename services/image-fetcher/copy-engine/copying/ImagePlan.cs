using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The manifests and blobs that the cache needs to serve an image.</summary>
/// <param name="Root">The manifest or index that the image's tag or digest refers to.</param>
/// <param name="Manifests">All manifests and indexes to store, children before their index, the root last.</param>
/// <param name="Parts">All blobs, each once.</param>
/// <param name="Platforms">The platforms of the root index that are stored; empty for a single manifest.</param>
/// <param name="MissingPlatforms">Wanted platforms that the index does not list; an entry without a platform may still be
/// one of them.</param>
internal sealed record ImagePlan(
    Manifest Root, IReadOnlyList<Manifest> Manifests, IReadOnlyList<Part> Parts, IReadOnlyList<string> Platforms,
    IReadOnlyList<string> MissingPlatforms) : IDisposable
{
    /// <summary>The budget that its manifests count against; null for none.</summary>
    public ManifestBudget? Budget { get; init; }

    /// <summary>Releases the memory counted for its manifests.</summary>
    public void Dispose() => Budget?.Dispose();
}
