using Kuik.Contracts;
using Kuik.EventLog.Audit;
using Kuik.Kubernetes;

namespace Kuik.CommandLine.Audit;

/// <summary>Compares the CachedImages of a cluster with the images that the log knows.</summary>
internal static class ResourceComparison
{
    private const int PageSize = 500;

    /// <summary>Resources follow the log; an image that has changed within this time is not compared.</summary>
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(30);

    /// <summary>Reads the resources in pages and compares them.</summary>
    /// <exception cref="KubernetesApiException">The API refuses it.</exception>
    /// <exception cref="HttpRequestException">The API does not answer.</exception>
    public static async Task<IReadOnlyList<LogDifference>> Compare(KubernetesApi api, ReplayedState state, CancellationToken ct)
    {
        var resources = new Dictionary<string, CachedImageStatus?>();
        for (string? next = ""; next is not null;)
        {
            var page = await api.Get(
                $"{CachedImage.Path}?limit={PageSize}{(next.Length == 0 ? "" : "&continue=" + Uri.EscapeDataString(next))}",
                KubernetesJson.Default.ResourceListCachedImage, ct);
            foreach (var one in page.Items ?? [])
                resources[one.Metadata.Name!] = one.Status;
            next = string.IsNullOrEmpty(page.Metadata.Continue) ? null : page.Metadata.Continue;
        }
        return Compare(resources, state, TimeProvider.System.GetUtcNow());
    }

    /// <summary>The differences.</summary>
    /// <param name="resources">The status of each resource by its name.</param>
    /// <param name="state">The fold of the log.</param>
    /// <param name="now">UTC.</param>
    public static IReadOnlyList<LogDifference> Compare(
        IReadOnlyDictionary<string, CachedImageStatus?> resources, ReplayedState state, DateTimeOffset now)
    {
        var named = state.Images.Values.Where(image => image.State is { ObjectName: not null }).ToDictionary(image =>
            image.State.ObjectName!);
        var settled = named.Values.Where(image => image.Unreadable == 0 && now - image.ChangedAt > Delay);
        return
        [
            .. settled.Select(image => Describe(image, resources.TryGetValue(image.State.ObjectName!, out var status),
                status)).OfType<LogDifference>(),
            .. resources.Where(one => !named.ContainsKey(one.Key) && one.Value?.Phase != CachedImagePhase.Invalid)
                .Select(one => new LogDifference("resource", one.Key, "there is a CachedImage, and the log names no image so")),
        ];
    }

    private static LogDifference? Describe(ImageRecord image, bool exists, CachedImageStatus? status)
    {
        var name = image.State.ObjectName!;
        if (image.State.Phase is ImagePhase.Gone or ImagePhase.Unknown)
            return exists && image.State.Phase == ImagePhase.Gone
                ? new LogDifference("resource", name, $"there is a CachedImage, and {image.Image} has left the cache")
                : null;
        if (!exists)
            return new LogDifference("resource", name, $"there is no CachedImage, and by the log {image.Image} is {image.State.Phase}");
        if ((status?.IsCached ?? false) != image.State.IsCached)
            return new LogDifference("resource", name, $"isCached is {status?.IsCached ?? false}, the log says {image.State.IsCached}");
        return image.State.IsCached && status?.Digest != image.State.Digest
            ? new LogDifference("resource", name, $"digest is {status?.Digest}, the log says {image.State.Digest}")
            : null;
    }
}
