using Kuik.Contracts;
using Kuik.Oci;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Stores an image whose plan has been read in the cache.</summary>
/// <param name="image">The image, whose origin has the parts.</param>
/// <param name="plan">Its manifests and blobs.</param>
/// <param name="tag">The cache's tag for its root; null where a tagged index lists it.</param>
/// <param name="ct">Cancels the copy.</param>
/// <returns>Bytes downloaded from the origin.</returns>
internal delegate Task<long> StoreImage(ImageReference image, ImagePlan plan, string? tag, CancellationToken ct);

/// <summary>
/// Copies the referrers of a copied image: signatures, attestations, SBOMs. They are found as clients do: by the referrers API,
/// otherwise by the referrers tag, and by cosign's tags. A missing or failed referrer does not affect the image; the next copy of the
/// image tries again.
/// </summary>
internal sealed partial class ReferrerCopier(OriginClient originClient, ImagePlanReader imagePlanReader, ILogger<ReferrerCopier> logger)
{
    /// <summary>The limit of entries copied from one list.</summary>
    private const int MostReferrers = 500;

    /// <summary>Finds the referrers of every manifest of an image, and copies them.</summary>
    public async Task Copy(ImageReference image, ImagePlan plan, StoreImage store, CancellationToken ct)
    {
        try
        {
            foreach (var manifest in plan.Manifests)
                await CopyThoseOf(image.With(manifest.Digest), store, ct);
        }
        catch (CopyException e)
        {
            LogFailed(image, e.Message);   // the origin limits requests or does not answer: the pass ends
        }
    }

    private async Task CopyThoseOf(ImageReference subject, StoreImage store, CancellationToken ct)
    {
        // 1. The origin's referrers list, stored under the referrers tag, which stands for it where there is no API; an empty
        // list is skipped.
        var tags = CacheTags.OfReferrers(subject.Digest!);
        Manifest? listed = null;
        if (tags.Count > 0)
            await Attempt(subject, async () => listed = await originClient.GetReferrers(subject, ct), ct);
        if (listed is not null)
            await Attempt(subject, async () =>
            {
                if (ReadManifest.Entries(listed).Count > 0)
                    await Copy(subject.With(tags[0]), listed, store, ct);
            }, ct);

        // 2. Referrers under tags.
        foreach (var referrer in tags.Skip(listed is null ? 0 : 1).Select(subject.With))
            await Attempt(referrer, async () =>
            {
                if (await originClient.FindManifest(referrer, ct) is { } found)
                    await Copy(referrer, found, store, ct);
            }, ct);
    }

    /// <summary>Stores a list before its entries, which no other manifest lists: one entry that fails does not affect the others.</summary>
    private async Task Copy(ImageReference referrer, Manifest root, StoreImage store, CancellationToken ct)
    {
        var isList = MediaTypes.IsIndex(root.MediaType);
        using var plan = isList ? new ImagePlan(root, [root], [], [], []) : await imagePlanReader.Read(referrer, root, ct);
        await store(referrer, plan, CacheTags.OfCopiedReferrer(referrer.Tag!), ct);
        if (!isList)
            return;

        var entries = ReadManifest.Entries(root);
        if (entries.Count > MostReferrers)
            LogMany(referrer, entries.Count, MostReferrers);
        foreach (var entry in entries.Take(MostReferrers).Select(entry => referrer.With(entry.Digest)))
            await Attempt(entry, async () =>
            {
                using var found = await imagePlanReader.Read(entry, ct);
                await store(entry, found, null, ct);
            }, ct);
    }

    /// <summary>Runs a step. Failures are logged; rate limiting and unreachable origins abort the pass.</summary>
    private async Task Attempt(ImageReference referrer, Func<Task> work, CancellationToken ct)
    {
        try
        {
            await work();
        }
        catch (Exception e) when (!ct.IsCancellationRequested
            && e is not CopyException { Kind: CopyException.RateLimited or CopyException.Unreachable })
        {
            LogFailed(referrer, e.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "Referrer {Referrer} not copied, the image itself was: {Reason}")]
    private partial void LogFailed(ImageReference referrer, string reason);

    [LoggerMessage(LogLevel.Warning, "Referrers list {Referrer} has {Count} manifests; only the first {Most} are copied")]
    private partial void LogMany(ImageReference referrer, int count, int most);
}
