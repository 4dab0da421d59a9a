using Kuik.Contracts;
using Kuik.EventLog;

namespace Kuik.PodWatcher;

/// <summary>Restores the original images of a pod: from v1's annotations, else from the local reference (ephemeral containers have no
/// annotation).</summary>
internal static class ReadPod
{
    private static readonly Pool<PodImage> SharedImages = new();
    private static readonly Pool<IReadOnlyList<PodImage>> SharedLists = new(new ListComparer<PodImage>());
    private static readonly Pool<IReadOnlyList<string>> SharedNames = new(new ListComparer<string>());

    private const string TemplateHashLabel = "pod-template-hash";

    /// <summary>Reads a pod. Invalid image references are left out.</summary>
    /// <param name="pod">The pod in the API.</param>
    /// <param name="ports">node-proxy's ports, the current one and previous ones.</param>
    /// <param name="takesAll">True: images that Kuik did not rewrite count too, except those of a registry on the node itself.</param>
    public static LiveUser Read(Pod pod, IReadOnlyCollection<int> ports, bool takesAll = false)
    {
        var digests = Digests(pod.Status);
        var owner = TopController(pod.Metadata);
        return new LiveUser(
            pod.Metadata.Uid!, Shared(pod.Metadata.Namespace!), pod.Metadata.Name!,
            SharedLists.Get([.. ImagesOf(pod.Spec, pod.Metadata.Annotations, ports, takesAll).Select(WithDigest)]),
            SecretNames(pod.Spec?.ImagePullSecrets),
            Shared($"{pod.Metadata.Namespace}/{pod.Spec?.ServiceAccountName ?? "default"}"))
        {
            Node = Shared(pod.Spec?.NodeName),
            OwnerKind = Shared(owner?.Kind),
            OwnerName = Shared(owner?.Name),
            CreatedAt = pod.Metadata.CreationTimestamp,
            DeletedAt = pod.Metadata.DeletionTimestamp,
            Phase = Shared(pod.Status?.Phase),
            Version = LiveUser.ParseVersion(pod.Metadata.ResourceVersion),
        };

        PodImage WithDigest(PodImage image) =>
            SharedImages.Get(digests?.GetValueOrDefault(image.Container) is { } digest ? image with { Digest = digest } : image);
    }

    /// <summary>Reads a workload: its images are those of its pod template, as written there. A template with the opt-out label has
    /// none.</summary>
    /// <param name="kind">The kind of the workload, for example <c>CronJob</c>.</param>
    /// <param name="workload">The workload in the API.</param>
    /// <param name="ports">node-proxy's ports: a template may have been copied from a rewritten pod.</param>
    public static LiveUser ReadTemplate(string kind, Pod workload, IReadOnlyCollection<int> ports)
    {
        var template = workload.Spec?.JobTemplate?.Spec?.Template ?? workload.Spec?.Template;
        var hasOptedOut = template?.Metadata?.Labels?.GetValueOrDefault(Names.PolicyLabel) == "ignore";
        var images = hasOptedOut ? [] : ImagesOf(template?.Spec, template?.Metadata?.Annotations, ports, takesAll: true);
        var owner = workload.Metadata.OwnerReferences?.FirstOrDefault(reference => reference.Controller == true);
        return new LiveUser(
            UserKey.OfWorkload(kind, workload.Metadata.Uid!), Shared(workload.Metadata.Namespace!), workload.Metadata.Name!,
            SharedLists.Get([.. images.Select(SharedImages.Get)]),
            SecretNames(template?.Spec?.ImagePullSecrets),
            Shared($"{workload.Metadata.Namespace}/{template?.Spec?.ServiceAccountName ?? "default"}"))
        {
            OwnerKind = Shared(owner?.Kind),
            OwnerName = Shared(owner?.Name),
            CreatedAt = workload.Metadata.CreationTimestamp,
            DeletedAt = workload.Metadata.DeletionTimestamp,
            Version = LiveUser.ParseVersion(workload.Metadata.ResourceVersion),
        };
    }

    private static IEnumerable<PodImage> ImagesOf(
        PodSpec? spec, IReadOnlyDictionary<string, string>? annotations, IReadOnlyCollection<int> ports, bool takesAll)
    {
        var containers = (spec?.Containers ?? [])
            .SelectMany(container => ImagesIn(container, Names.OriginalImageAnnotation(container.Name)));
        var initial = (spec?.InitContainers ?? [])
            .SelectMany(container => ImagesIn(container, Names.OriginalInitImageAnnotation(container.Name)));
        var ephemeral = (spec?.EphemeralContainers ?? []).SelectMany(container => ImagesIn(container, null));
        var volumes = (spec?.Volumes ?? []).Where(volume => volume is { Name: not null, Image.Reference: not null }).SelectMany(
            volume => ImagesIn(new("volume " + volume.Name, volume.Image!.Reference), Names.OriginalVolumeImageAnnotation(volume.Name!)));
        return containers.Concat(initial).Concat(ephemeral).Concat(volumes);

        // The runtime pulls the image of the container. If the annotation differs because the pod was edited, both count as used.
        IEnumerable<PodImage> ImagesIn(Container container, string? annotation)
        {
            string? noted = null;
            if (annotation is not null && annotations?.GetValueOrDefault(annotation) is { } written
                && ImageReference.TryParse(written, out var original, out _))
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
            else if (image is null && takesAll && ImageReference.TryParse(local, out var plain, out _) && !plain.IsOfTheNode
                && plain.ToString() != noted)
                yield return new PodImage(container.Name, plain.ToString(), local);
        }
    }

    /// <summary>True for a reference as kube-image-keeper v1 wrote it, with a dash before the port of its host, which cannot be
    /// restored.</summary>
    private static bool IsV1Form(string? local, string written) =>
        written.IndexOf('/', StringComparison.Ordinal) is > 0 and var slash
        && LocalReference.TryRest(local ?? "", out _, out var rest) && rest == written[..slash].Replace(':', '-') + written[slash..];

    /// <summary>Digests by container: the part of imageID after <c>@</c>, or all of it if it is a digest alone.</summary>
    private static Dictionary<string, string>? Digests(PodStatus? status)
    {
        Dictionary<string, string>? digests = null;
        foreach (var container in (status?.ContainerStatuses ?? []).Concat(status?.InitContainerStatuses ?? [])
            .Concat(status?.EphemeralContainerStatuses ?? []))
            if (container.ImageID?[(container.ImageID.LastIndexOf('@') + 1)..] is { } digest
                && digest.StartsWith("sha256:", StringComparison.Ordinal))
                (digests ??= [])[container.Name] = digest;
        return digests;
    }

    // The name of a Deployment's ReplicaSet is the Deployment's and the hash in the label of its pods, so that no right to read ReplicaSets
    // is needed.
    private static OwnerReference? TopController(PodMeta pod)
    {
        var owner = pod.OwnerReferences?.FirstOrDefault(reference => reference.Controller == true);
        return owner is { Kind: "ReplicaSet", Name: { } name } && pod.Labels?.GetValueOrDefault(TemplateHashLabel) is { Length: > 0 } hash
            && name.EndsWith("-" + hash, StringComparison.Ordinal)
            ? new OwnerReference("Deployment", name[..^(hash.Length + 1)], true)
            : owner;
    }

    [return: System.Diagnostics.CodeAnalysis.NotNullIfNotNull(nameof(text))]
    private static string? Shared(string? text) => text is null ? null : SharedTexts.Get(text);

    /// <summary>Names of pull secrets, without the empty entries that the API allows.</summary>
    public static IReadOnlyList<string> SecretNames(IReadOnlyList<SecretName>? secrets) =>
        SharedNames.Get([.. (secrets ?? []).Select(secret => secret.Name).Where(name => !string.IsNullOrEmpty(name)).Select(name => name!)
            .Distinct()]);
}
