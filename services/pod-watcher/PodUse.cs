using Kuik.Contracts;

namespace Kuik.PodWatcher;

/// <summary>What the log says of a pod: the fold of its stream.</summary>
/// <param name="IsObserved">It has been recorded.</param>
/// <param name="IsGone">Its end has been recorded; a uid never comes back.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
/// <param name="Images">Normalised references, each once, sorted.</param>
/// <param name="PullSecrets">In their order.</param>
internal sealed record PodUse(bool IsObserved, bool IsGone, string Namespace, string Name, IReadOnlyList<string> Images, IReadOnlyList<string> PullSecrets)
{
    /// <summary>Before the first event.</summary>
    public static readonly PodUse Nothing = new(false, false, "", "", [], []);

    /// <summary>The state after one more event.</summary>
    public static PodUse Fold(PodUse pod, object fact) => fact switch
    {
        PodObserved e => new PodUse(true, false, e.Namespace, e.Name, ImagesOf(e.Images), e.PullSecrets),
        PodGone => pod with { IsGone = true },
        _ => pod,
    };

    /// <summary>The references of a pod's images, each once, sorted.</summary>
    public static IReadOnlyList<string> ImagesOf(IEnumerable<PodImage> images) =>
        [.. images.Select(image => image.Image).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Is this what the log says already?</summary>
    public bool Says(IReadOnlyList<string> images, IReadOnlyList<string> pullSecrets) =>
        IsObserved && !IsGone && Images.SequenceEqual(images) && PullSecrets.SequenceEqual(pullSecrets);
}
