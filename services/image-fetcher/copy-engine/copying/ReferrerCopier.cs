using Kuik.Contracts;
using Kuik.Oci;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Brings an image into the cache whose parts are known.</summary>
/// <param name="image">Whose origin has the parts.</param>
/// <param name="plan">What it consists of.</param>
/// <param name="tag">The tag of the cache that is to name its root; null where an index names it that has a tag.</param>
/// <param name="stop">Ends it.</param>
/// <returns>How many bytes came from the origin.</returns>
internal delegate Task<long> StoreImage(ImageReference image, ImagePlan plan, string? tag, CancellationToken stop);

/// <summary>
/// Copies what belongs to an image that has been copied: signatures, attestations, SBOMs. It is looked for as clients do: by the referrers API, else by the
/// referrers tag, and by cosign's tags. One that is missing or cannot be copied is nothing to the image: the next copy of the image looks again.
/// </summary>
internal sealed partial class ReferrerCopier(OriginClient originClient, ImagePlanReader imagePlanReader, ILogger<ReferrerCopier> logger)
{
    /// <summary>How many entries of one list are fetched ahead.</summary>
    private const int MostReferrers = 500;

    /// <summary>Looks for the followers of every manifest of an image, and copies them.</summary>
    public async Task Copy(ImageReference image, ImagePlan plan, StoreImage store, CancellationToken stop)
    {
        try
        {
            foreach (var manifest in plan.Manifests)
                await CopyThoseOf(image.With(manifest.Digest), store, stop);
        }
        catch (CopyException e)
        {
            LogFailed(image, e.Message);   // an origin that wants fewer requests, or does not answer, is left alone
        }
    }

    private async Task CopyThoseOf(ImageReference subject, StoreImage store, CancellationToken stop)
    {
        // 1. The registry's own list, under the tag that stands for it where there is no such API; an empty one has nothing to say.
        var tags = CacheTags.OfReferrers(subject.Digest!);
        Manifest? listed = null;
        if (tags.Count > 0)
            await Attempt(subject, async () => listed = await originClient.GetReferrers(subject, stop), stop);
        if (listed is not null)
            await Attempt(subject, async () =>
            {
                if (ReadManifest.Entries(listed).Count > 0)
                    await Copy(subject.With(tags[0]), listed, store, stop);
            }, stop);

        // 2. What is found under tags.
        foreach (var follower in tags.Skip(listed is null ? 0 : 1).Select(subject.With))
            await Attempt(follower, async () =>
            {
                if (await originClient.FindManifest(follower, stop) is { } found)
                    await Copy(follower, found, store, stop);
            }, stop);
    }

    /// <summary>A list is stored before what it lists, which nothing else holds: one entry that cannot be had does not take the others along.</summary>
    private async Task Copy(ImageReference follower, Manifest root, StoreImage store, CancellationToken stop)
    {
        var isList = MediaTypes.IsIndex(root.MediaType);
        using var plan = isList ? new ImagePlan(root, [root], [], [], []) : await imagePlanReader.Read(follower, root, stop);
        await store(follower, plan, CacheTags.OfFollower(follower.Tag!), stop);
        if (!isList)
            return;

        var entries = ReadManifest.Entries(root);
        if (entries.Count > MostReferrers)
            LogMany(follower, entries.Count, MostReferrers);
        foreach (var entry in entries.Take(MostReferrers).Select(entry => follower.With(entry.Digest)))
            await Attempt(entry, async () =>
            {
                using var found = await imagePlanReader.Read(entry, stop);
                await store(entry, found, null, stop);
            }, stop);
    }

    /// <summary>Whatever happens to one is only logged, unless the next one would fare alike.</summary>
    private async Task Attempt(ImageReference follower, Func<Task> work, CancellationToken stop)
    {
        try
        {
            await work();
        }
        catch (Exception e) when (!stop.IsCancellationRequested && e is not CopyException { Kind: CopyException.RateLimited or CopyException.Unreachable })
        {
            LogFailed(follower, e.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "what belongs to an image was not copied, the image itself was: {Follower}: {Reason}")]
    private partial void LogFailed(ImageReference follower, string reason);

    [LoggerMessage(LogLevel.Warning, "{Follower} lists {Count} manifests; the first {Most} are copied")]
    private partial void LogMany(ImageReference follower, int count, int most);
}
