using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>The events of images and repositories in words.</summary>
public static class ImageText
{
    /// <summary>The fact and its reason; null for another event.</summary>
    public static (string What, string Why)? Describe(object fact) => fact switch
    {
        RequestedByPod e => ("requested", $"pod {e.PodUid} uses {e.WrittenAs}"),
        RequestedByPerson e => ("requested", $"CachedImage {e.ObjectName} was created for {e.WrittenAs}"),
        RequestedByPull => ("requested", "a node pulled it"),
        ImageNamed e => ("named", $"its CachedImage is {e.ObjectName}"),
        ImageRetained => ("retained", "spec.retain was set"),
        ImageReleased => ("released", "spec.retain was taken back"),
        ImageForgotten => ("forgotten", "its CachedImage was deleted"),
        FetchDue e => ("copy announced again", $"open since {TimeText.Of(e.OpenSince)}"),
        ImageFetchStarted { IsRenewal: true } => ("lease renewed", ""),
        ImageFetchStarted e => ("copy started",
            $"attempt {e.Attempt}{(e.FollowsLostClaim ? "; the claim before it ended without an outcome" : "")}"),
        ImageCached e => ("cached", Describe(e)),
        ImageFetchFailed e => ("copy failed",
            $"{e.Kind}{(e.OriginStatus is { } status ? $" ({status})" : "")}: {e.Reason}; next attempt at {TimeText.Of(e.RetryAt)}"),
        ImageLost e => ("lost", $"{e.Reason}{(e.NoticedBy is null ? "" : $" (noticed by {e.NoticedBy})")}"),
        ImageAdopted e => ("adopted", $"the cache registry had it without a record: {TimeText.OfDigest(e.Digest)}, "
            + TimeText.OfBytes(e.SizeInBytes)),
        ImageExpirySet e => ("expiry set", $"spec.expiresAt is {TimeText.Of(e.ExpiresAt)}"),
        ImageExpiryRemoved => ("expiry removed", "spec.expiresAt was removed"),
        RepositoryConfigured e => ("repository configured", Describe(e)),
        RefreshRequested => ("refresh requested", "a person asked to compare it with its origin"),
        OriginChecked { Answer: OriginAnswers.Same } => ("compared", "its origin has what the cache has"),
        OriginChecked e => ("compared", $"{e.Answer}: {e.Reason}"),
        TagMoved e => ("tag moved", $"from {TimeText.OfDigest(e.PreviousDigest)} to {TimeText.OfDigest(e.Digest)}, "
            + $"{TimeText.OfBytes(e.BytesCopied)} copied in {TimeText.Of(e.Duration)}"),
        ImageUnused e => ("unused", $"since {TimeText.Of(e.Since)}; expires at {TimeText.Of(e.ExpiresAt)}"),
        ImageUsedAgain e => ("used again", $"by {e.WorkloadKind ?? "pod"} {e.PodUid}"),
        ExpiryProposed e => ("expiry proposed", $"unused since {TimeText.Of(e.UnusedSince)}"),
        ImageExpired e => ("expired", Describe(e)),
        EvictionDue => ("eviction announced again", ""),
        ImageEvictionStarted e => ("eviction started", $"attempt {e.Attempt}"),
        ImageEvicted e => ("evicted", e.Digest is null ? "it was not in the cache"
            : $"{TimeText.OfDigest(e.Digest)}, {TimeText.OfBytes(e.SizeInBytes)}"),
        _ => null,
    };

    private static string Describe(ImageCached e)
    {
        var missing = e.MissingPlatforms.Count == 0 ? "" : $"; the origin has no {string.Join(", ", e.MissingPlatforms)}";
        var platforms = e.Platforms.Count == 0 ? "" : $" ({string.Join(", ", e.Platforms)})";
        return $"{TimeText.OfDigest(e.Digest)}, {TimeText.OfBytes(e.SizeInBytes)}{platforms}; "
            + $"{TimeText.OfBytes(e.BytesCopied)} copied in {TimeText.Of(e.Duration)}{missing}";
    }

    private static string Describe(RepositoryConfigured e)
    {
        var filters = e.UpdateFilters is { Count: > 0 } ? $", where they match {string.Join(" or ", e.UpdateFilters)}" : "";
        var refresh = e.UpdateInterval is { } every
            ? $"compared with their origin every {TimeText.Of(every)}{filters}"
            : "not refreshed by themselves";
        var secrets = e.PullSecretNames is { Count: > 0 }
            ? $"; pull secrets {string.Join(", ", e.PullSecretNames)} of {e.PullSecretsNamespace}"
            : "";
        return $"its images are {refresh}{secrets}";
    }

    private static string Describe(ImageExpired e) => e switch
    {
        { Reason: "forgotten" } => "its CachedImage was deleted and nothing used it",
        { UnusedSince: { } since, Delay: { } delay } => $"unused since {TimeText.Of(since)}, for longer than {TimeText.Of(delay)}",
        { UnusedSince: { } since } => $"unused since {TimeText.Of(since)}",
        _ => "nothing used it",
    };
}
