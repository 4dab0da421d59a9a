using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>The numbers of v1's gauges, by the labels of each, and the age of the oldest request.</summary>
/// <param name="Images">CachedImages by phase, whether they are cached, and whether they have <c>spec.expiresAt</c>.</param>
/// <param name="Repositories">Repositories by phase.</param>
/// <param name="Containers">Containers of pods by phase of their CachedImage and whether it is cached.</param>
internal sealed record ResourceCounts(
    IReadOnlyDictionary<(string Phase, bool IsCached, bool IsExpiring), int> Images, IReadOnlyDictionary<string, int> Repositories,
    IReadOnlyDictionary<(string Phase, bool IsCached), int> Containers)
{
    /// <summary>UTC: since when the oldest image waits that is neither cached nor has failed; null when none waits.</summary>
    public DateTimeOffset? WaitingSince { get; init; }

    /// <summary>Counts what is kept in memory.</summary>
    /// <param name="resources">CachedImages, by name. Their status is not kept, so that of their views counts.</param>
    /// <param name="repositories">Repositories, by name.</param>
    /// <param name="pods">Pods, by uid.</param>
    /// <param name="findView">The view of an image; null when it has none.</param>
    /// <param name="imageNamed">The image whose CachedImage has a name; null for none.</param>
    public static ResourceCounts Of(
        IReadOnlyDictionary<string, CachedImage> resources, IReadOnlyDictionary<string, Repository> repositories,
        IReadOnlyDictionary<string, LiveUser> pods, Func<string, ImageView?> findView, Func<string, string?> imageNamed)
    {
        var images = new Dictionary<(string, bool, bool), int>();
        DateTimeOffset? waitingSince = null;
        foreach (var (name, resource) in resources)
        {
            var view = imageNamed(name) is { } image ? findView(image) : null;
            Add(images, (PhaseOf(resource, view), view?.Cached is not null, resource.Spec?.ExpiresAt is not null));
            if (view is { Stage: ImageStage.Requested or ImageStage.Fetching } && !(waitingSince <= view.ReadyChangedAt))
                waitingSince = view.ReadyChangedAt;
        }
        var byPhase = new Dictionary<string, int>();
        foreach (var (_, repository) in repositories)
            Add(byPhase, repository.Status?.Phase ?? "");
        var containers = new Dictionary<(string, bool), int>();
        foreach (var (_, pod) in pods)
            foreach (var use in pod.Images)
                if (!LiveUser.IsVolume(use) && findView(use.Image) is { ObjectName: { } name } view && resources.ContainsKey(name))
                    Add(containers, (ShowImage.Phase(view.Stage), view.Cached is not null));
        return new ResourceCounts(images, byPhase, containers) { WaitingSince = waitingSince };
    }

    // A resource by a person has no view before it is recorded, and never has one when it names no image.
    private static string PhaseOf(CachedImage resource, ImageView? view) =>
        view is not null ? ShowImage.Phase(view.Stage)
        : ImageReference.TryParse(resource.Spec?.SourceImage ?? "", out _, out _) ? ""
        : CachedImagePhase.Invalid;

    private static void Add<TKey>(Dictionary<TKey, int> counts, TKey key) where TKey : notnull =>
        counts[key] = counts.GetValueOrDefault(key) + 1;
}
