using System.Text.Json.Serialization;

namespace Kuik.Kubernetes;

/// <summary>The JSON serialisation of the resource types.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ApiStatus))]
[JsonSerializable(typeof(WatchLineType))]
[JsonSerializable(typeof(WatchLine<ApiStatus>))]
[JsonSerializable(typeof(CachedImage))]
[JsonSerializable(typeof(CachedImageStatus))]
[JsonSerializable(typeof(ResourceList<CachedImage>))]
[JsonSerializable(typeof(WatchLine<CachedImage>))]
[JsonSerializable(typeof(Repository))]
[JsonSerializable(typeof(ResourceList<Repository>))]
[JsonSerializable(typeof(WatchLine<Repository>))]
public sealed partial class KubernetesJson : JsonSerializerContext;
