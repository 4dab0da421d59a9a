using Kuik.Contracts;

namespace Kuik.PodWatcher;

/// <summary>The recorded state of a pod or workload: the fold of its stream.</summary>
/// <param name="IsObserved">It has been recorded.</param>
/// <param name="IsGone">Its last event ends its use: it was deleted, or is not followed any more. Its uid may be observed again.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
/// <param name="Images">Normalised references, each once, sorted.</param>
/// <param name="PullSecrets">In their order.</param>
internal sealed record UserState(bool IsObserved, bool IsGone, string Namespace, string Name, IReadOnlyList<string> Images,
    IReadOnlyList<string> PullSecrets)
{
    /// <summary>Before the first event.</summary>
    public static readonly UserState Initial = new(false, false, "", "", [], []);

    /// <summary>Its recorded images with digests; null when only the usage table has been read, which has no digests.</summary>
    public IReadOnlyList<PodImage>? Containers { get; init; }

    /// <summary>The recorded node; null for none.</summary>
    public string? Node { get; init; }

    /// <summary>The recorded resourceVersion; null in events of earlier versions.</summary>
    public long? Version { get; init; }

    /// <summary>The state after one more event.</summary>
    public static UserState Fold(UserState pod, object fact) => fact switch
    {
        PodObserved e => new UserState(true, false, e.Namespace, e.Name, ImagesOf(e.Images), e.PullSecrets)
        {
            Containers = e.Images,
            Node = e.Node,
            Version = LiveUser.ParseVersion(e.ResourceVersion) ?? pod.Version,
        },
        WorkloadObserved e => new UserState(true, false, e.Namespace, e.Name, ImagesOf(e.Images), e.PullSecrets)
        {
            Containers = e.Images,
            Version = LiveUser.ParseVersion(e.ResourceVersion) ?? pod.Version,
        },
        PodGone or WorkloadGone => pod with { IsGone = true },
        _ => pod,
    };

    /// <summary>The references of a pod's images, each once, sorted.</summary>
    public static IReadOnlyList<string> ImagesOf(IEnumerable<PodImage> images) =>
        [.. images.Select(image => image.Image).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>True when what is live is to be recorded: it is neither recorded so, nor older than what is recorded, nor unknown and
    /// without images.</summary>
    public bool IsOutdatedBy(LiveUser live, IReadOnlyList<string> pullSecrets) =>
        ((IsObserved && !IsGone) || live.Images.Count > 0) && !(live.Version < Version) && !Says(live, pullSecrets);

    /// <summary>True when the absence is to be recorded: it is recorded as live, in no later state.</summary>
    public bool IsEndedBy(UserAbsence absence) => IsObserved && !IsGone && !(absence.Version < Version);

    /// <summary>True when this state is recorded. Node and digests are compared when all of them are known, so that a starting pod is
    /// recorded twice and not at every step.</summary>
    public bool Says(LiveUser live, IReadOnlyList<string> pullSecrets) =>
        IsObserved && !IsGone && Images.SequenceEqual(ImagesOf(live.Images)) && PullSecrets.SequenceEqual(pullSecrets)
        && (Containers is null || !live.IsDetailed || (Node == live.Node && Containers.SequenceEqual(live.Images)));
}
