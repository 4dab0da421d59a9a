namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The outcome of one sweep.</summary>
/// <param name="Deleted">The number of deleted manifests.</param>
/// <param name="Doubt">The part that could not be read, so that nothing was deleted; null when everything was read.</param>
public sealed record Sweep(int Deleted, string? Doubt)
{
    /// <summary>The number of manifests that no tag names and that stayed because pods run them: another sweep is to follow.</summary>
    public int Kept { get; init; }
}
