using System.Text.Json.Serialization;
using Kuik.Kubernetes;

namespace Kuik.ImageFetcher;

/// <summary>The JSON of a Secret, the only kind of object that image-fetcher reads.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(SecretContent))]
internal sealed partial class SecretJson : JsonSerializerContext
{
    public static GetSecret From(KubernetesApi kubernetes) => (secret, ct) => kubernetes.Get(
        $"api/v1/namespaces/{Uri.EscapeDataString(secret.Namespace)}/secrets/{Uri.EscapeDataString(secret.Name)}", Default.SecretContent,
        ct);
}
