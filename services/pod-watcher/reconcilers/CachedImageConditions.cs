using System.Globalization;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// <c>status.conditions</c> of a CachedImage. Reasons and times come from the log alone, so every leader, after any restart, writes the
/// same ones. <c>lastTransitionTime</c> is the time of the event that changed the status; a retry, or another reason, does not move it.
/// docs/cached-images.md lists the reasons.
/// </summary>
internal static class CachedImageConditions
{
    /// <summary>The cache can serve the image, and the image has not expired.</summary>
    public const string Ready = nameof(Ready);

    /// <summary>The cache holds a copy.</summary>
    public const string Cached = nameof(Cached);

    /// <summary>The copy is what the origin served when it was last asked.</summary>
    public const string UpToDate = nameof(UpToDate);

    /// <summary>Something uses the image.</summary>
    public const string InUse = nameof(InUse);

    private static readonly Dictionary<string, string> Failures = new()
    {
        ["gone"] = ConditionReason.NotFound,
        ["refused"] = ConditionReason.AccessDenied,
        ["rate-limited"] = ConditionReason.RateLimited,
        ["broken"] = ConditionReason.InvalidContent,
        ["unreachable"] = ConditionReason.OriginUnreachable,
        ["cache"] = ConditionReason.CacheUnavailable,
        ["internal"] = ConditionReason.InternalError,
    };

    /// <summary>The conditions of a recorded image.</summary>
    /// <param name="view">Its recorded state.</param>
    /// <param name="use">Its users.</param>
    public static IReadOnlyList<ResourceCondition> From(ImageView view, CachedImageUse use) =>
        [ReadyOf(view), CachedOf(view), UpToDateOf(view), InUseOf(view, use)];

    /// <summary>The conditions of a resource whose <c>spec.sourceImage</c> is no image reference.</summary>
    /// <param name="problem">One sentence.</param>
    /// <param name="since">UTC.</param>
    public static IReadOnlyList<ResourceCondition> OfInvalid(string problem, DateTimeOffset since) =>
    [
        NewCondition(Ready, false, since, ConditionReason.InvalidReference, problem),
        NewCondition(Cached, false, since, ConditionReason.InvalidReference, "Nothing can be copied without a valid image reference."),
        NewCondition(UpToDate, null, since, ConditionReason.InvalidReference, "There is no copy to compare with the origin."),
        NewCondition(InUse, false, since, ConditionReason.InvalidReference, "No pod can use an image without a valid reference."),
    ];

    /// <summary>The reason of a failed copy, as conditions and Kubernetes Events name it.</summary>
    /// <param name="kind">The kind of <see cref="ImageFetchFailed"/>; an unknown one, from a later version, becomes
    /// <c>CopyFailed</c>.</param>
    public static string ReasonOf(string kind) => Failures.GetValueOrDefault(kind, ConditionReason.CopyFailed);

    private static ResourceCondition ReadyOf(ImageView view)
    {
        var (isReady, reason, message) = (view.Stage, view.Failed) switch
        {
            (ImageStage.Cached, _) => (true, ConditionReason.Cached, "The cache can serve the image."),
            (ImageStage.Requested, null) when view.Lost is { } lost =>
                (false, ConditionReason.Lost, $"The image waits to be copied again: {lost.Reason}."),
            (ImageStage.Requested, _) => (false, ConditionReason.Queued, "The image waits to be copied into the cache."),
            (ImageStage.Fetching, null) => (false, ConditionReason.Copying, "The image is being copied into the cache."),
            (ImageStage.Fetching, _) => (false, ConditionReason.Copying, "The image is being copied again after a failed attempt."),
            (ImageStage.Failed, { } failed) => (false, ReasonOf(failed.Kind), failed.Reason),
            (ImageStage.Failed, null) => (false, ConditionReason.CopyFailed, "The copy failed."),
            _ => (false, ConditionReason.Expired, "The image has expired and is being removed from the cache."),
        };
        return NewCondition(Ready, isReady, view.ReadyChangedAt, reason, message);
    }

    // An expired image is not known to be cached: its tag may be deleted before that is recorded.
    private static ResourceCondition CachedOf(ImageView view)
    {
        var (reason, message) = (view.Stage, view.Cached) switch
        {
            (ImageStage.Cached, { MissingPlatforms.Count: > 0 } cached) => (ConditionReason.PlatformsMissing,
                $"The cache holds {ByteSize.Format(cached.SizeInBytes)}; the origin has no {string.Join(", ", cached.MissingPlatforms)}."),
            (ImageStage.Cached, { } cached) =>
                (ConditionReason.Copied, $"The cache holds the image, {ByteSize.Format(cached.SizeInBytes)}."),
            (ImageStage.Expired, not null) => (ConditionReason.BeingRemoved, "The image's tag is being removed from the cache."),
            _ => (ConditionReason.NotCopied, "The cache does not hold the image."),
        };
        return NewCondition(Cached, view.Stage == ImageStage.Cached, view.ReadyChangedAt, reason, message);
    }

    private static ResourceCondition UpToDateOf(ImageView view)
    {
        if (view is not { Stage: ImageStage.Cached, Cached: not null })
        {
            return NewCondition(
                UpToDate, null, view.ReadyChangedAt, ConditionReason.NotCached, "There is no copy to compare with the origin.");
        }
        if (view.Origin is { } origin && origin.Answer != OriginAnswers.Same)
        {
            var (why, sentence) = origin.Answer == OriginAnswers.Gone
                ? (ConditionReason.GoneAtOrigin, $"The origin no longer has the image; the cache keeps it: {origin.Reason}")
                : (ConditionReason.NotCompared, $"The origin could not be asked; the cache keeps the image: {origin.Reason}");
            return NewCondition(UpToDate, null, view.OriginChangedAt, why, sentence);
        }
        var isNamedByDigest = ImageReference.Parse(view.Image).Digest is not null;
        if (view is { IsAdopted: true, Origin: null } && !isNamedByDigest)
        {
            const string notAsked = "The image was found in the cache; its origin has not been asked.";
            return NewCondition(UpToDate, null, view.ReadyChangedAt, ConditionReason.NotAsked, notAsked);
        }
        var (reason, message) = isNamedByDigest
            ? (ConditionReason.NamedByDigest, "The image is named by its digest, which never names anything else.")
            : (ConditionReason.SameAsOrigin, string.Create(CultureInfo.InvariantCulture,
                $"The tag named this digest when the origin was asked at {view.SeenAtOrigin!.Value.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC."));
        return NewCondition(UpToDate, true, view.OriginChangedAt, reason, message);
    }

    private static ResourceCondition InUseOf(ImageView view, CachedImageUse use)
    {
        var workloads = use.WorkloadCount ?? 0;
        var (reason, message) = (use.Count, view) switch
        {
            (1, _) => (ConditionReason.UsedByPods, "1 pod uses the image."),
            ( > 1, _) => (ConditionReason.UsedByPods, string.Create(CultureInfo.InvariantCulture, $"{use.Count} pods use the image.")),
            _ when workloads > 0 => (ConditionReason.UsedByWorkloads, string.Create(CultureInfo.InvariantCulture,
                $"No pod uses the image; the template of {workloads} {(workloads == 1 ? "workload" : "workloads")} does.")),
            (_, { IsRetained: true }) => (ConditionReason.Retained, "No pod uses the image; spec.retain keeps it."),
            (_, { Stage: ImageStage.Expired }) => (ConditionReason.Unused, "No pod uses the image."),
            (_, { State.ExpiresAt: not null }) =>
                (ConditionReason.Unused, "No pod uses the image; it expires at spec.expiresAt, set by hand, if none does until then."),
            _ => (ConditionReason.Unused, "No pod uses the image; it expires at spec.expiresAt if none does until then."),
        };
        return NewCondition(InUse, use.Count + workloads > 0, view.UseChangedAt, reason, message);
    }

    private static ResourceCondition NewCondition(string type, bool? isTrue, DateTimeOffset since, string reason, string message) =>
        new(type, isTrue switch { true => "True", false => "False", null => "Unknown" }, since, reason, message);
}
