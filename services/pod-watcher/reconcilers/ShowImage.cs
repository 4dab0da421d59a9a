using Kuik.Contracts;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>What a CachedImage should say: v1's fields with v1's meaning, and ours beside them.</summary>
internal static class ShowImage
{
    /// <summary>How many pods a resource names: their count has no limit, the size of an object in etcd has one.</summary>
    public const int PodsNamed = 50;

    private const int ShortDigestLength = 12;   // as docker and crictl print them

    /// <summary>The resource of an image that has a name, without its metadata but for name and label; null when it should have
    /// none.</summary>
    /// <param name="view">What the log says of the image.</param>
    /// <param name="name">The resource's name.</param>
    /// <param name="count">How many pods use it.</param>
    /// <param name="pods">The first of them, as <c>namespace/name</c>.</param>
    /// <param name="workloadCount">How many workloads use it.</param>
    /// <param name="workloads">The first of them; null for none.</param>
    public static CachedImage? Desired(
        ImageView view, string name, int count, IReadOnlyList<string> pods, int workloadCount = 0, IReadOnlyList<WorkloadName>? workloads = null)
    {
        if (view.Stage == ImageStage.Evicted)
            return null;
        return new CachedImage
        {
            Metadata = new ObjectMeta
            {
                Name = name,
                Labels = new Dictionary<string, string> { [Names.RepositoryLabel] = ObjectName.RepositoryLabel(ImageReference.Parse(view.Image)) },
            },
            Spec = new CachedImageSpec
            {
                SourceImage = view.WrittenAs,
                ExpiresAt = view.IsRetained || count + workloadCount > 0 ? null : view.LeavesAt,
            },
            Status = Status(view, new CachedImageUse(pods.Count == 0 ? null : [.. pods.Select(pod => new PodName(pod))], count)
            {
                Workloads = NullWhenEmpty(workloads),
                WorkloadCount = workloadCount == 0 ? null : workloadCount,
            }),
        };
    }

    /// <summary>The status of a resource whose <c>spec.sourceImage</c> is no image reference.</summary>
    /// <param name="problem">One sentence.</param>
    /// <param name="createdAt">UTC: when the resource was created. It has been invalid since then: <see cref="CachedImageReconciler"/>
    /// takes such an edit of a valid one back.</param>
    public static CachedImageStatus Invalid(string problem, DateTimeOffset createdAt) => new()
    {
        IsCached = false,
        Phase = CachedImagePhase.Invalid,
        LastError = problem,
        Conditions = CachedImageConditions.OfInvalid(problem, createdAt),
    };

    /// <summary>The same without the fields of the spec that a person owns.</summary>
    /// <param name="desired">What the resource should say.</param>
    /// <param name="actual">The resource; null when there is none.</param>
    public static CachedImage BesideAPersons(CachedImage desired, CachedImage? actual)
    {
        if (actual is null)
            return desired;
        var owned = desired.Spec! with
        {
            SourceImage = actual.Managers.SourceImage is not null && IsSameImage(actual.Spec?.SourceImage, desired.Spec!.SourceImage) ? null : desired.Spec!.SourceImage,
            ExpiresAt = actual.Managers.ExpiresAt is null ? desired.Spec.ExpiresAt : null,
        };
        return desired with { Spec = owned };
    }

    /// <summary>Does the resource say so already? What a person decides (<c>spec.retain</c>) and what others add is not looked
    /// at.</summary>
    public static bool Says(CachedImage actual, CachedImage desired) => SaysSpec(actual, desired) && actual.HasStatus(desired.Status!);

    /// <summary>Do the resource's spec and labels say so already? A reference may be written in several ways.</summary>
    public static bool SaysSpec(CachedImage actual, CachedImage desired) =>
        (desired.Spec!.SourceImage is null || IsSameImage(actual.Spec?.SourceImage, desired.Spec.SourceImage))
        && (actual.Managers.ExpiresAt is not null || Seconds(actual.Spec?.ExpiresAt) == Seconds(desired.Spec.ExpiresAt))
        && desired.Metadata.Labels!.All(label => actual.Metadata.Labels?.GetValueOrDefault(label.Key) == label.Value);

    private static CachedImageStatus Status(ImageView view, CachedImageUse use)
    {
        var cached = view.Cached;
        var copied = view.IsAdopted ? null : cached;   // the origin was asked then
        var failed = view.Failed;
        var reachedOrigin = failed is null or { Kind: "cache" or "internal" };   // those say nothing about the origin
        return new CachedImageStatus
        {
            IsCached = cached is not null,
            Phase = Phase(view.Stage),
            UsedBy = use,
            Digest = Hex(cached?.Digest),
            UpstreamDigest = reachedOrigin ? Hex(copied?.Digest) : null,
            UpToDate = reachedOrigin && copied is not null ? true : null,
            AvailableUpstream = reachedOrigin ? (copied is null ? null : true) : false,
            LastSync = reachedOrigin ? copied?.CachedAt : failed!.FailedAt,
            LastSeenUpstream = copied?.CachedAt,
            LastSuccessfulPull = copied?.CachedAt,
            SizeInBytes = cached?.SizeInBytes,
            Size = cached is null ? null : ByteSize.Format(cached.SizeInBytes),
            ShortDigest = Hex(cached?.Digest) is { } hex ? hex[..Math.Min(hex.Length, ShortDigestLength)] : null,
            MediaType = cached?.MediaType,
            Platforms = NullWhenEmpty(cached?.Platforms),
            MissingPlatforms = NullWhenEmpty(cached?.MissingPlatforms),
            LastError = failed?.Reason ?? view.Lost?.Reason,
            NextRetry = failed?.RetryAt,
            UnusedSince = view.UnusedSince,
            Conditions = CachedImageConditions.From(view, use),
        };
    }

    private static bool IsSameImage(string? a, string? b) =>
        a == b || (ImageReference.TryParse(a ?? "", out var one, out _) && ImageReference.TryParse(b ?? "", out var other, out _) && one.ToString() == other.ToString());

    private static string Phase(ImageStage stage) => stage switch
    {
        ImageStage.Requested => CachedImagePhase.Synchronizing,
        ImageStage.Fetching => CachedImagePhase.Pulling,
        ImageStage.Cached => CachedImagePhase.Ready,
        ImageStage.Failed => CachedImagePhase.ErrImagePull,
        _ => CachedImagePhase.Terminating,
    };

    private static string? Hex(string? digest) => digest?.StartsWith("sha256:", StringComparison.Ordinal) == true ? digest["sha256:".Length..] : digest;

    private static IReadOnlyList<T>? NullWhenEmpty<T>(IReadOnlyList<T>? list) => list is { Count: > 0 } ? list : null;

    private static long? Seconds(DateTimeOffset? time) => time?.ToUnixTimeSeconds();
}
