using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>Why an image is where it is. Decided from the log alone.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Phase">Where it is in its life.</param>
/// <param name="Verdict">One sentence.</param>
/// <param name="Because">The facts that led there, oldest first, each in one sentence.</param>
/// <param name="IfOriginVanished">The loss if the origin were gone for good now.</param>
public sealed record ImageExplanation(string Image, ImagePhase Phase, string Verdict, IReadOnlyList<string> Because,
    string IfOriginVanished)
{
    /// <summary>The number of its events; 0 when the log knows nothing of it.</summary>
    public long Events { get; init; }

    /// <summary>Explains it.</summary>
    /// <param name="image">The log's knowledge of the image.</param>
    /// <param name="users">The number of pods and workloads that use it.</param>
    /// <param name="pulls">Its pulls; null where none are known.</param>
    public static ImageExplanation Of(ImageRecord image, int users, ImagePullCount? pulls = null) =>
        new(image.Image, image.State.Phase, VerdictOf(image), [.. FactsOf(image, users, pulls)], LossOf(image, users))
        {
            Events = image.Version,
        };

    private static string VerdictOf(ImageRecord image)
    {
        var state = image.State;
        return state.Phase switch
        {
            ImagePhase.Cached when state.IsRetained => "cached, and retained: it never expires",
            ImagePhase.Cached when state.IsForgotten => "cached, and to expire as soon as nothing uses it: its CachedImage was deleted",
            ImagePhase.Cached when state.UnusedSince is not null => image.Unused is { } unused
                ? $"cached, and expiring: at {TimeText.Of(unused.ExpiresAt)}, unless something uses it before"
                : "cached, and expiring",
            ImagePhase.Cached => "cached",
            ImagePhase.Wanted when image.Lost is not null => "not cached: the copy was lost, and it waits to be copied again",
            ImagePhase.Wanted => "not cached yet: it waits to be copied",
            ImagePhase.Copying => $"not cached yet: attempt {state.Attempt} copies it",
            ImagePhase.Failed when state.IsRefused =>
                "not cached: the copy fails, and a retry is not expected to help until something changes",
            ImagePhase.Failed when state.Failures > 1 =>
                $"not cached: {state.Failures} copies in a row failed; the next attempt is at {TimeText.Of(state.RetryAt)}",
            ImagePhase.Failed => $"not cached: the copy failed; the next attempt is at {TimeText.Of(state.RetryAt)}",
            ImagePhase.Leaving => "expired: its tag is to be removed from the cache",
            ImagePhase.Removing => "expired: its tag is being removed from the cache",
            ImagePhase.Gone => "not cached: it expired and was evicted",
            _ => "not cached: it was never requested",
        };
    }

    private static IEnumerable<string> FactsOf(ImageRecord image, int users, ImagePullCount? pulls)
    {
        if (image.Request is { } request)
            yield return Sentence(request, TimeOf(request));
        foreach (var (fact, time) in new (object? Fact, DateTimeOffset? Time)[]
        {
            (image.Cached, image.Cached?.CachedAt), (image.Origin, image.Origin?.CheckedAt), (image.Lost, image.Lost?.LostAt),
            (image.Failed, image.Failed?.FailedAt),
            (image.Unused, image.Unused?.Since), (image.Expired, image.Expired?.ExpiredAt), (image.Evicted, image.Evicted?.EvictedAt),
        })
            if (fact is not null)
                yield return Sentence(fact, time);
        if (image.State.Phase == ImagePhase.Copying)
            yield return $"{image.State.By} holds the claim";
        if (image.State.LostClaims > 0)
            yield return $"{image.State.LostClaims} claims in a row ended without an outcome";
        if (image.State.IsRetained)
            yield return "spec.retain is set";
        yield return users switch
        {
            0 => "no pod and no workload uses it",
            1 => "1 pod or workload uses it",
            _ => $"{users} pods and workloads use it",
        };
        if (pulls is not null)
            yield return $"it was pulled {(pulls.Count == 1 ? "once" : $"{pulls.Count} times")}, last at {TimeText.Of(pulls.LastAt)}";
        if (image.Unreadable > 0)
            yield return $"{image.Unreadable} of its events are of a newer version and were passed over";
    }

    private static string LossOf(ImageRecord image, int users)
    {
        var consequence = users switch
        {
            0 => "Nothing uses it.",
            1 => "Its user could not be started on a node that does not have it.",
            _ => $"Its {users} users could not be started on a node that does not have it.",
        };
        return image.State.Phase switch
        {
            ImagePhase.Cached => image.Cached is not { } copy ? "nothing: the cache serves it." : Kept(copy),
            ImagePhase.Leaving or ImagePhase.Removing => $"all of it: it is leaving the cache. {consequence}",
            ImagePhase.Unknown => "all of it: the cache has none of it.",
            _ => $"all of it, but for layers that other images share: the cache has no copy. {consequence}",
        };
    }

    private static string Kept(ImageCached copy)
    {
        var kept = copy.Platforms.Count == 0 ? "all of it" : string.Join(", ", copy.Platforms);
        var rest = copy.Platforms.Count == 0 ? "nothing" : "platforms that are not stored, and nothing else";
        return $"{rest}. The cache serves {kept} ({TimeText.OfBytes(copy.SizeInBytes)}).";
    }

    private static string Sentence(object fact, DateTimeOffset? time)
    {
        var (what, why) = ImageText.Describe(fact) ?? (fact.GetType().Name, "");
        return $"{TimeText.Of(time)} {what}{(why.Length == 0 ? "" : ": " + why)}";
    }

    private static DateTimeOffset? TimeOf(object request) => request switch
    {
        RequestedByPod e => e.RequestedAt,
        RequestedByPerson e => e.RequestedAt,
        RequestedByPull e => e.RequestedAt,
        _ => null,
    };
}
