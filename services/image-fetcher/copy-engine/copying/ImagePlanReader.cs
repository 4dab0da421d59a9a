using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Reads the manifests of an image: from the cache where it has them, otherwise from the origin.</summary>
internal sealed class ImagePlanReader(CacheRegistry cache, ManifestFetcher manifestFetcher, PerHostLimiter requests,
    CopyEngineOptions options)
{
    private readonly PlanMemory _memory = new();

    /// <summary>The plan of an image; to be disposed of when it has been carried out.</summary>
    /// <exception cref="CopyException">A manifest is unavailable or invalid, the image is over a limit of <see cref="ManifestBudget"/>, or
    /// its origin is denied.</exception>
    public async Task<ImagePlan> Read(ImageReference image, CancellationToken ct)
    {
        options.Origins.ThrowIfDenied(image);   // also when the cache has all of it
        return await Read(image, await Root(image, ct), ct);
    }

    /// <summary>The same, where the image's root is already known.</summary>
    /// <inheritdoc cref="Read(ImageReference, CancellationToken)"/>
    public Task<ImagePlan> Read(ImageReference image, Manifest root, CancellationToken ct) =>
        Read(image, root, new UnfinishedPlan(new ManifestBudget(image, _memory)), ct);

    /// <summary>The same from the cache alone: its origin is not asked.</summary>
    /// <exception cref="CopyException">A manifest cannot be read, or the image is over a limit of <see cref="ManifestBudget"/>.</exception>
    /// <exception cref="ManifestLostException">The cache lacks one of its manifests.</exception>
    public Task<ImagePlan> ReadFromCache(ImageReference image, Manifest root, CancellationToken ct) =>
        Read(image, root, new UnfinishedPlan(new ManifestBudget(image, _memory)) { IsFromCache = true }, ct);

    private async Task<ImagePlan> Read(ImageReference image, Manifest root, UnfinishedPlan plan, CancellationToken ct)
    {
        try
        {
            plan.Budget.Add(root);
            var (platforms, missing) = await Collect(image, root, plan, depth: 0, ct);
            var parts = plan.Parts.Where(part => !part.IsForeign).DistinctBy(part => part.Digest);
            return new ImagePlan(root, plan.Manifests, [.. parts], platforms, missing) { Budget = plan.Budget };
        }
        catch
        {
            plan.Budget.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The manifest of a tag now, or of a digest. If the cache has the tag, a HEAD request decides whether it still refers to
    /// the same manifest.
    /// </summary>
    private async Task<Manifest> Root(ImageReference image, CancellationToken ct)
    {
        var stored = await cache.Find(CachePath.Of(image), image.Target, ct);
        if (stored is null)
            return await FromOrigin(image, ct);
        if (image.Digest is not null)
            return stored;
        var now = (await HeadAtOrigin(image, ct))?.Digest;
        return now == stored.Digest ? stored : await Moved(image, now, ct);
    }

    /// <summary>The manifest of a tag now. A digest that HEAD returned and that does not exist was a wrong hint.</summary>
    private async Task<Manifest> Moved(ImageReference image, string? now, CancellationToken ct)
    {
        if (now is null)
            return await FromOrigin(image, ct);
        try
        {
            return await FromOrigin(image.With(now), ct);
        }
        catch (CopyException e) when (e.Kind is CopyException.Gone or CopyException.Refused or CopyException.Broken)
        {
            manifestFetcher.Forget(image);
            return await FromOrigin(image, ct);
        }
    }

    /// <summary>Adds a manifest to a plan, after its children. Limits are checked before the next manifest is read.</summary>
    private async Task<(IReadOnlyList<string> Platforms, IReadOnlyList<string> Missing)> Collect(
        ImageReference image, Manifest manifest, UnfinishedPlan plan, int depth, CancellationToken ct)
    {
        if (!MediaTypes.IsIndex(manifest.MediaType))
        {
            AddLeaf(image, manifest, plan);
            return ([], []);
        }
        var entries = ReadManifest.Entries(manifest);
        plan.Budget.CheckIndex(manifest, entries.Count, depth);

        var byPlatform = options.Platforms.Distinct()
            .Select(wanted => (Wanted: wanted, Fitting: Platform.Choose(wanted, entries, entry => entry.Platform))).ToList();
        var chosen = byPlatform.SelectMany(platform => platform.Fitting).DistinctBy(entry => entry.Digest).ToList();
        var missing = byPlatform.Where(platform => platform.Fitting.Count == 0).Select(platform => platform.Wanted.ToString()).ToList();
        var perhaps = missing.Count == 0 ? [] : entries.Where(entry => entry.MayBeAny);   // a missing platform may be among them
        var unread = chosen.Concat(perhaps).DistinctBy(entry => entry.Digest).Where(entry => plan.Seen.Add(entry.Digest)).ToList();
        plan.Budget.Announce(unread);
        foreach (var entry in unread)
        {
            var child = await Child(image.With(entry.Digest), plan.IsFromCache, ct);
            plan.Budget.Add(child);
            await Collect(image, child, plan, depth + 1, ct);
        }
        plan.Manifests.Add(manifest);
        return ([.. chosen.Select(entry => entry.Platform!.ToString()).Distinct()], missing);
    }

    private static void AddLeaf(ImageReference image, Manifest manifest, UnfinishedPlan plan)
    {
        if (ArtifactManifest.TypeOf(manifest.Bytes) is { } ours)   // in the cache it would be mistaken for Kuik's own
            throw new CopyException(
                CopyException.Broken,
                $"manifest {manifest.Digest} of {image} is no image: it has the type {ours} of what Kuik itself writes into its cache "
                + "registry",
                retryHelps: false);
        var parts = ReadManifest.Parts(manifest);
        plan.Budget.AddParts(manifest, parts.Count);
        plan.Parts.AddRange(parts);
        plan.Manifests.Add(manifest);
    }

    private async Task<Manifest> Child(ImageReference child, bool isFromCache, CancellationToken ct) =>
        await cache.Find(CachePath.Of(child), child.Target, ct)
            ?? (isFromCache ? throw new ManifestLostException(child.Target) : await FromOrigin(child, ct));

    private async Task<Manifest> FromOrigin(ImageReference image, CancellationToken ct)
    {
        using var turn = await requests.Enter(image.Host, ct);
        return await manifestFetcher.FromOrigin(image, ct);
    }

    private async Task<ManifestHead?> HeadAtOrigin(ImageReference image, CancellationToken ct)
    {
        using var turn = await requests.Enter(image.Host, ct);
        return await manifestFetcher.HeadAtOrigin(image, ct);
    }

    /// <summary>The part of a plan that has been read so far.</summary>
    private sealed record UnfinishedPlan(ManifestBudget Budget)
    {
        /// <summary>Manifests that the cache lacks are not read from the origin.</summary>
        public bool IsFromCache { get; init; }

        public List<Manifest> Manifests { get; } = [];

        public List<Part> Parts { get; } = [];

        /// <summary>Digests in the plan or being read: one that two indexes list is read once.</summary>
        public HashSet<string> Seen { get; } = [];
    }
}
