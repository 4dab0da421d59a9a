using Kuik.Contracts;

namespace Kuik.PodWatcher;

/// <summary>What the log says of a pod or workload: the fold of its stream.</summary>
/// <param name="IsObserved">It has been recorded.</param>
/// <param name="IsGone">Its end has been recorded last: it was deleted, or is not followed any more. Its uid may return.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
/// <param name="Images">Normalised references, each once, sorted.</param>
/// <param name="PullSecrets">In their order.</param>
internal sealed record PodUseState(bool IsObserved, bool IsGone, string Namespace, string Name, IReadOnlyList<string> Images, IReadOnlyList<string> PullSecrets)
{
    /// <summary>Before the first event.</summary>
    public static readonly PodUseState Initial = new(false, false, "", "", [], []);

    /// <summary>Its images as they were recorded, with digests; null when only the usage table has been read, which does not hold
    /// them.</summary>
    public IReadOnlyList<PodImage>? Containers { get; init; }

    /// <summary>The node that was recorded; null for none.</summary>
    public string? Node { get; init; }

    /// <summary>The resourceVersion that was recorded; null in events of earlier versions.</summary>
    public long? Version { get; init; }

    /// <summary>The state after one more event.</summary>
    public static PodUseState Fold(PodUseState pod, object fact) => fact switch
    {
        PodObserved e => new PodUseState(true, false, e.Namespace, e.Name, ImagesOf(e.Images), e.PullSecrets)
        {
            Containers = e.Images,
            Node = e.Node,
            Version = LivePod.ParseVersion(e.ResourceVersion) ?? pod.Version,
        },
        WorkloadObserved e => new PodUseState(true, false, e.Namespace, e.Name, ImagesOf(e.Images), e.PullSecrets)
        {
            Containers = e.Images,
            Version = LivePod.ParseVersion(e.ResourceVersion) ?? pod.Version,
        },
        PodGone or WorkloadGone => pod with { IsGone = true },
        _ => pod,
    };

    /// <summary>The references of a pod's images, each once, sorted.</summary>
    public static IReadOnlyList<string> ImagesOf(IEnumerable<PodImage> images) =>
        [.. images.Select(image => image.Image).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Is this what the log says already? Node and digests count once all of them are known, so that a pod that starts is
    /// recorded twice, not for every step.</summary>
    public bool Says(LivePod live, IReadOnlyList<string> pullSecrets) =>
        IsObserved && !IsGone && Images.SequenceEqual(ImagesOf(live.Images)) && PullSecrets.SequenceEqual(pullSecrets)
        && (Containers is null || !live.IsDetailed || (Node == live.Node && Containers.SequenceEqual(live.Images)));
}
