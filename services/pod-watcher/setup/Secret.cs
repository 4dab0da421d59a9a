using Kuik.Kubernetes;

namespace Kuik.PodWatcher.Setup;

/// <summary>A Secret, or the fields of one that a merge patch sets.</summary>
/// <param name="ApiVersion"><c>v1</c>; null in a patch.</param>
/// <param name="Kind"><c>Secret</c>; null in a patch.</param>
/// <param name="Metadata">In a patch: the resourceVersion that it was made for.</param>
/// <param name="Type"><c>Opaque</c> or <c>kubernetes.io/tls</c>; null in a patch.</param>
/// <param name="Data">By key, base64.</param>
internal sealed record Secret(
    string? ApiVersion, string? Kind, ObjectMeta Metadata, string? Type, IReadOnlyDictionary<string, string>? Data);
