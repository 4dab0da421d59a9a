using Kuik.Contracts;
using Kuik.EventLog.Audit;
using Kuik.Oci;

namespace Kuik.CommandLine.Audit;

/// <summary>
/// Compares the cache registry with the images that the log knows: 1. each manifest and blob of each cached image is there; 2. no tag keeps
/// an image that the log does not know, or has seen leave.
/// </summary>
/// <param name="registry">The registry.</param>
/// <param name="state">The fold of the log.</param>
/// <param name="now">UTC.</param>
internal sealed class RegistryComparison(CacheRegistryReader registry, ReplayedState state, DateTimeOffset now)
{
    /// <summary>The registry changes before the log or after it; an image that has changed within this time is not compared.</summary>
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(30);

    private readonly HashSet<(string Repository, string Digest)> _found = [];

    /// <summary>The differences.</summary>
    /// <param name="progress">Gets the number of images that were compared; null for none.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="RegistryException">The registry does not answer.</exception>
    public async Task<IReadOnlyList<LogDifference>> Compare(IProgress<LogProgress>? progress, CancellationToken ct)
    {
        var differences = new List<LogDifference>();
        // 1.
        var cached = state.Images.Values.Where(image => image is { Unreadable: 0, State.IsCached: true } && IsSettled(image))
            .OrderBy(image => image.Image, StringComparer.Ordinal).ToList();
        for (var i = 0; i < cached.Count; i++)
        {
            if (await FindLoss(cached[i], ct) is { } loss)
                differences.Add(new LogDifference("registry", cached[i].Image, loss));
            progress?.Report(new LogProgress(i + 1, cached.Count));
        }
        // 2.
        await foreach (var repository in registry.Repositories(ct))
            await foreach (var tag in registry.Tags(repository, ct))
                if (await FindStranger(repository, tag, ct) is { } stranger)
                    differences.Add(stranger);
        return differences;
    }

    private bool IsSettled(ImageRecord image) => now - image.ChangedAt > Delay;

    private async Task<string?> FindLoss(ImageRecord image, CancellationToken ct)
    {
        if (!ImageReference.TryParse(image.Image, out var name, out _))
            return null;
        var (repository, tag) = (CachePath.Of(name), CacheTags.OfImage(name));
        if (await registry.Find(repository, tag, ct) is not { } root)
            return $"there is no manifest under the tag {tag} of {repository}";
        if (root.Digest != image.State.Digest)
            return $"the tag {tag} of {repository} is {root.Digest}, the log says {image.State.Digest}";
        return await FindLoss(repository, root, image.Cached?.Platforms ?? [], ct);
    }

    private async Task<string?> FindLoss(string repository, Manifest manifest, IReadOnlyList<string> platforms, CancellationToken ct)
    {
        if (ManifestContent.Read(manifest) is not { } content)
            return $"the manifest {manifest.Digest} of {repository} cannot be read";
        foreach (var blob in content.Blobs)
            if (_found.Add((repository, blob)) && !await registry.HasBlob(repository, blob, ct))
            {
                _found.Remove((repository, blob));   // each image that lacks it is named
                return $"there is no blob {blob} in {repository}";
            }
        // Only the wanted platforms of an index are copied.
        foreach (var (digest, _) in content.Children.Where(child => platforms.Contains(child.Platform)))
            if (await registry.Find(repository, digest, ct) is not { } child)
                return $"there is no manifest {digest} in {repository}";
            else if (await FindLoss(repository, child, platforms, ct) is { } loss)
                return loss;
        return null;
    }

    private async Task<LogDifference?> FindStranger(string repository, string tag, CancellationToken ct)
    {
        if (CacheTags.TargetOf(tag) is not { } target || !CachePath.TryRead(repository, target, out var image, out _)
            || CachePath.Of(image) != repository)
            return null;
        var record = state.Images.GetValueOrDefault(image.ToString());
        // A wanted image may be there before the log says so; image-fetcher adopts it.
        if (record is not null && (record.State.Phase is not (ImagePhase.Gone or ImagePhase.Unknown) || record.Unreadable > 0
            || !IsSettled(record)))
            return null;
        if (await registry.Find(repository, tag, ct) is null)
            return null;   // the tombstone of an eviction
        return new LogDifference("registry", image.ToString(), record is null
            ? $"there is a tag {tag} in {repository}, and the log has no event of this image"
            : $"there is a tag {tag} in {repository}, and by the log the image has left the cache");
    }
}
