using System.Security.Cryptography;
using System.Text;

namespace Kuik.Contracts;

/// <summary>Labels, annotations and the API group, as kube-image-keeper v1 named them.</summary>
public static class Names
{
    /// <summary>The API group of CachedImage and Repository.</summary>
    public const string Group = "kuik.enix.io";

    /// <summary>The version of the API group.</summary>
    public const string Version = "v1alpha1";

    /// <summary>Set to <c>true</c> on every pod the webhook has seen; pod-watcher follows the pods that carry it.</summary>
    public const string ManagedLabel = "kuik.enix.io/managed";

    /// <summary><c>true</c> on a pod whose images the webhook may rewrite, also on an update.</summary>
    public const string RewriteAnnotation = "kuik.enix.io/rewrite-images";

    /// <summary>The W3C <c>traceparent</c> of a pod's admission; written only where traces are exported.</summary>
    public const string TraceAnnotation = "kuik.enix.io/traceparent";

    /// <summary>With the value <c>ignore</c>: the pod is left alone.</summary>
    public const string PolicyLabel = "kube-image-keeper.enix.io/image-caching-policy";

    /// <summary><c>true</c> on a CachedImage asks for one refresh; removed when it has been recorded.</summary>
    public const string ForceUpdateAnnotation = "cachedimage.kuik.enix.io/forceUpdate";

    /// <summary>On a CachedImage: which Repository it belongs to.</summary>
    public const string RepositoryLabel = "kuik.enix.io/repository";

    /// <summary>Kubernetes sets it on the API's copy of a static pod, whose images the kubelet reads from a file: rewriting it changes
    /// nothing.</summary>
    public const string MirrorPodAnnotation = "kubernetes.io/config.mirror";

    /// <summary>Longest annotation key without a prefix, in bytes.</summary>
    private const int LongestKey = 63;

    /// <summary>The annotation that keeps a container's original image; the container's name becomes its hex SHA-1 where the key would be
    /// too long.</summary>
    public static string OriginalImageAnnotation(string container) => Key("original-image-", container);

    /// <summary>The same for an init container.</summary>
    public static string OriginalInitImageAnnotation(string container) => Key("original-init-image-", container);

    /// <summary>
    /// The same for an image volume. v1 knew none; the prefix is no prefix of the other two, whatever a container is called.
    /// </summary>
    public static string OriginalVolumeImageAnnotation(string volume) => Key("original-volume-image-", volume);

    // CA5350: SHA-1 names a key here, as in v1; nothing relies on it being hard to forge.
#pragma warning disable CA5350
    private static string Key(string prefix, string container) =>
        prefix.Length + Encoding.UTF8.GetByteCount(container) <= LongestKey
            ? prefix + container
            : prefix + Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(container)));
#pragma warning restore CA5350
}
