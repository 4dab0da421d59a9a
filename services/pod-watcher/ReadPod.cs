using Kuik.Contracts;

namespace Kuik.PodWatcher;

/// <summary>What is kept of a pod that runs through Kuik.</summary>
/// <param name="Uid">The pod's uid.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
/// <param name="Images">
/// For each container and image volume whose image Kuik rewrote, one entry; two where annotation and container disagree.
/// </param>
/// <param name="PullSecrets">The pod's own, in its order.</param>
/// <param name="Account">Its ServiceAccount, as <c>namespace/name</c>.</param>
internal sealed record LivePod(string Uid, string Namespace, string Name, IReadOnlyList<PodImage> Images, IReadOnlyList<string> PullSecrets, string Account);

/// <summary>Reads the images of a pod back: from v1's annotations, else from the local reference itself (ephemeral containers have no annotation).</summary>
internal static class ReadPod
{
    /// <summary>Reads a pod. An image that nobody can parse is not among its images.</summary>
    /// <param name="pod">As the API has it.</param>
    /// <param name="ports">node-proxy's ports, the current one and previous ones.</param>
    /// <param name="takesAll">An image counts as it is written too, not only where Kuik rewrote it; one of a registry of the node itself never does.</param>
    public static LivePod Read(Pod pod, IReadOnlyCollection<int> ports, bool takesAll = false)
    {
        var annotations = pod.Metadata.Annotations ?? new Dictionary<string, string>();
        var containers = (pod.Spec?.Containers ?? []).SelectMany(container => ImagesOf(container, Names.OriginalImageAnnotation(container.Name)));
        var initial = (pod.Spec?.InitContainers ?? []).SelectMany(container => ImagesOf(container, Names.OriginalInitImageAnnotation(container.Name)));
        var ephemeral = (pod.Spec?.EphemeralContainers ?? []).SelectMany(container => ImagesOf(container, null));
        var volumes = (pod.Spec?.Volumes ?? []).Where(volume => volume is { Name: not null, Image.Reference: not null }).SelectMany(
            volume => ImagesOf(new("volume " + volume.Name, volume.Image!.Reference), Names.OriginalVolumeImageAnnotation(volume.Name!)));
        return new LivePod(
            pod.Metadata.Uid!, pod.Metadata.Namespace!, pod.Metadata.Name!,
            [.. containers.Concat(initial).Concat(ephemeral).Concat(volumes)],
            SecretNames(pod.Spec?.ImagePullSecrets),
            $"{pod.Metadata.Namespace}/{pod.Spec?.ServiceAccountName ?? "default"}");

        // What the runtime pulls is what the container says. Where the annotation says something else (somebody has edited the pod), both count as used.
        IEnumerable<PodImage> ImagesOf(Container container, string? annotation)
        {
            string? noted = null;
            if (annotation is not null && annotations.TryGetValue(annotation, out var written) && ImageReference.TryParse(written, out var original, out _))
            {
                noted = original.ToString();
                yield return new PodImage(container.Name, noted, written);
                if (IsV1Form(container.Image, written))
                    yield break;
            }
            if (container.Image is not { } local)
                yield break;
            if (LocalReference.TryRead(local, ports, out var image) && image.ToString() != noted)
                yield return new PodImage(container.Name, image.ToString(), image.ToString());
            else if (image is null && takesAll && ImageReference.TryParse(local, out var plain, out _) && !plain.IsOfTheNode && plain.ToString() != noted)
                yield return new PodImage(container.Name, plain.ToString(), local);
        }
    }

    /// <summary>Is this how kube-image-keeper v1 wrote the image: with the port of its host behind a dash, which cannot be read back?</summary>
    private static bool IsV1Form(string? local, string written) =>
        written.IndexOf('/', StringComparison.Ordinal) is > 0 and var slash
        && LocalReference.TryRest(local ?? "", out _, out var rest) && rest == written[..slash].Replace(':', '-') + written[slash..];

    /// <summary>Names of pull secrets, without the empty entries that the API allows.</summary>
    public static IReadOnlyList<string> SecretNames(IReadOnlyList<SecretName>? secrets) =>
        [.. (secrets ?? []).Select(secret => secret.Name).Where(name => !string.IsNullOrEmpty(name)).Select(name => name!).Distinct()];
}
