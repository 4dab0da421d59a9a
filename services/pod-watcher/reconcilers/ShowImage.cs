using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>Computes the intended content of a CachedImage: v1's fields with v1's meaning, and the added ones.</summary>
internal static class ShowImage
{
    /// <summary>The limit of pods that a resource names, because the size of an object in etcd is limited.</summary>
    public const int PodsNamed = 50;

    private const int ShortDigestLength = 12;   // as docker and crictl print them

    /// <summary>The resource of an image that has a name; of its metadata, only name and label. Null when it should not exist.</summary>
    /// <param name="view">The recorded state of the image.</param>
    /// <param name="name">The resource's name.</param>
    /// <param name="count">The number of pods that use it.</param>
    /// <param name="pods">The first of them, as <c>namespace/name</c>.</param>
    /// <param name="workloadCount">The number of workloads that use it.</param>
    /// <param name="workloads">The first of them; null for none.</param>
    /// <param name="pulls">Its pulls; null for none.</param>
    public static CachedImage? Desired(
        ImageView view, string name, int count, IReadOnlyList<string> pods, int workloadCount = 0,
        IReadOnlyList<WorkloadName>? workloads = null, ImagePullCount? pulls = null)
    {
        if (view.Stage == ImageStage.Evicted)
            return null;
        return new CachedImage
        {
            Metadata = new ObjectMeta
            {
                Name = name,
                Labels = new Dictionary<string, string>
                {
                    [Names.RepositoryLabel] =
                    ObjectName.RepositoryLabel(ImageReference.Parse(view.Image))
                },
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
            }) with
            {
                Pulls = pulls is null ? null : new CachedImagePulls(pulls.Count, pulls.LastAt),
            },
        };
    }

    /// <summary>The status of a resource whose <c>spec.sourceImage</c> is no image reference.</summary>
    /// <param name="problem">One sentence.</param>
    /// <param name="createdAt">UTC: when the resource was created. It has been invalid since then, because
    /// <see cref="CachedImageReconciler"/> reverts such an edit of a valid one.</param>
    public static CachedImageStatus Invalid(string problem, DateTimeOffset createdAt) => new()
    {
        IsCached = false,
        Phase = CachedImagePhase.Invalid,
        LastError = problem,
        Conditions = CachedImageConditions.OfInvalid(problem, createdAt),
    };

    /// <summary>The same without the fields of the spec that a person owns.</summary>
    /// <param name="desired">The intended resource.</param>
    /// <param name="actual">The current resource; null when there is none.</param>
    public static CachedImage BesideAPersons(CachedImage desired, CachedImage? actual)
    {
        if (actual is null)
            return desired;
        var owned = desired.Spec! with
        {
            SourceImage = actual.Managers.SourceImage is not null && IsSameImage(actual.Spec?.SourceImage, desired.Spec!.SourceImage)
                ? null
                : desired.Spec!.SourceImage,
            ExpiresAt = actual.Managers.ExpiresAt is null ? desired.Spec.ExpiresAt : null,
        };
        return desired with { Spec = owned };
    }

    /// <summary>True when the resource has the intended content. <c>spec.retain</c>, which a person decides, and fields of other managers
    /// are not compared.</summary>
    public static bool Says(CachedImage actual, CachedImage desired) => SaysSpec(actual, desired) && actual.HasStatus(desired.Status!);

    /// <summary>True when spec and labels have the intended content. References are compared in their normalised form.</summary>
    public static bool SaysSpec(CachedImage actual, CachedImage desired) =>
        (desired.Spec!.SourceImage is null || IsSameImage(actual.Spec?.SourceImage, desired.Spec.SourceImage))
        && (actual.Managers.ExpiresAt is not null || Seconds(actual.Spec?.ExpiresAt) == Seconds(desired.Spec.ExpiresAt))
        && desired.Metadata.Labels!.All(label => actual.Metadata.Labels?.GetValueOrDefault(label.Key) == label.Value);

    private static CachedImageStatus Status(ImageView view, CachedImageUse use)
    {
        var cached = view.Cached;
        var copied = view is { IsAdopted: true, Origin: null } ? null : cached;   // of an adopted one no origin was asked
        var failed = view.Failed;
        var reachedOrigin = failed is null or { Kind: "cache" or "internal" };   // such a failure is not the origin's
        var (isSame, isGone) = (view.Origin is null or { Answer: OriginAnswers.Same }, view.Origin is { Answer: OriginAnswers.Gone });
        return new CachedImageStatus
        {
            IsCached = cached is not null,
            Phase = Phase(view.Stage),
            UsedBy = use,
            Digest = Hex(cached?.Digest),
            UpstreamDigest = reachedOrigin && isSame ? Hex(copied?.Digest) : null,
            UpToDate = reachedOrigin && isSame && copied is not null ? true : null,
            AvailableUpstream = reachedOrigin && !isGone ? (copied is null || !isSame ? null : true) : false,
            LastSync = reachedOrigin ? view.Origin?.CheckedAt ?? copied?.CachedAt : failed!.FailedAt,
            LastSeenUpstream = view.SeenAtOrigin,
            LastSuccessfulPull = view.IsAdopted ? null : cached?.CachedAt,
            SizeInBytes = cached?.SizeInBytes,
            Size = cached is null ? null : ByteSize.Format(cached.SizeInBytes),
            ShortDigest = Hex(cached?.Digest) is { } hex ? hex[..Math.Min(hex.Length, ShortDigestLength)] : null,
            MediaType = cached?.MediaType,
            Platforms = NullWhenEmpty(cached?.Platforms),
            MissingPlatforms = NullWhenEmpty(cached?.MissingPlatforms),
            LastError = failed?.Reason ?? view.Lost?.Reason ?? view.Origin?.Reason,
            NextRetry = failed?.RetryAt,
            UnusedSince = view.UnusedSince,
            Conditions = CachedImageConditions.From(view, use),
        };
    }

    private static bool IsSameImage(string? a, string? b) =>
        a == b || (ImageReference.TryParse(a ?? "", out var one, out _) && ImageReference.TryParse(b ?? "", out var other, out _)
            && one.ToString() == other.ToString());

    /// <summary>The phase that a CachedImage shows for a stage.</summary>
    public static string Phase(ImageStage stage) => stage switch
    {
        ImageStage.Requested => CachedImagePhase.Synchronizing,
        ImageStage.Fetching => CachedImagePhase.Pulling,
        ImageStage.Cached => CachedImagePhase.Ready,
        ImageStage.Failed => CachedImagePhase.ErrImagePull,
        _ => CachedImagePhase.Terminating,
    };

    private static string? Hex(string? digest) => digest?.StartsWith("sha256:", StringComparison.Ordinal) == true
        ? digest["sha256:".Length..]
        : digest;

    private static IReadOnlyList<T>? NullWhenEmpty<T>(IReadOnlyList<T>? list) => list is { Count: > 0 } ? list : null;

    private static long? Seconds(DateTimeOffset? time) => time?.ToUnixTimeSeconds();
}
