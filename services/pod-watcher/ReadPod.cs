using Kuik.Contracts;

namespace Kuik.PodWatcher;

/// <summary>What is kept of a pod that runs through Kuik.</summary>
/// <param name="Uid">The pod's uid.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
/// <param name="Images">One entry for each container whose image Kuik rewrote.</param>
/// <param name="PullSecrets">The pod's own, in its order.</param>
/// <param name="Account">Its ServiceAccount, as <c>namespace/name</c>.</param>
internal sealed record LivePod(string Uid, string Namespace, string Name, IReadOnlyList<PodImage> Images, IReadOnlyList<string> PullSecrets, string Account);

/// <summary>Reads the images of a pod back: from v1's annotations, else from the local reference itself (ephemeral containers have no annotation).</summary>
internal static class ReadPod
{
    /// <summary>Reads a pod. An image that Kuik did not rewrite, or that nobody can parse, is not among its images.</summary>
    /// <param name="pod">As the API has it.</param>
    /// <param name="ports">node-proxy's ports, the current one and previous ones.</param>
    public static LivePod Read(Pod pod, IReadOnlyCollection<int> ports)
    {
        var annotations = pod.Metadata.Annotations ?? new Dictionary<string, string>();
        var containers = (pod.Spec?.Containers ?? []).Select(container => ImageOf(container, Names.OriginalImageAnnotation(container.Name)));
        var initial = (pod.Spec?.InitContainers ?? []).Select(container => ImageOf(container, Names.OriginalInitImageAnnotation(container.Name)));
        var ephemeral = (pod.Spec?.EphemeralContainers ?? []).Select(container => ImageOf(container, null));
        return new LivePod(
            pod.Metadata.Uid!, pod.Metadata.Namespace!, pod.Metadata.Name!,
            [.. containers.Concat(initial).Concat(ephemeral).OfType<PodImage>()],
            SecretNames(pod.Spec?.ImagePullSecrets),
            $"{pod.Metadata.Namespace}/{pod.Spec?.ServiceAccountName ?? "default"}");

        PodImage? ImageOf(Container container, string? annotation)
        {
            if (annotation is not null && annotations.TryGetValue(annotation, out var written))
                return ImageReference.TryParse(written, out var original, out _) ? new PodImage(container.Name, original.ToString(), written) : null;
            return container.Image is { } local && LocalReference.TryRead(local, ports, out var image)
                ? new PodImage(container.Name, image.ToString(), image.ToString())
                : null;
        }
    }

    /// <summary>Names of pull secrets, without the empty entries that the API allows.</summary>
    public static IReadOnlyList<string> SecretNames(IReadOnlyList<SecretName>? secrets) =>
        [.. (secrets ?? []).Select(secret => secret.Name).Where(name => !string.IsNullOrEmpty(name)).Select(name => name!).Distinct()];
}
